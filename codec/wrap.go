package codec

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
)

// base64 is strict: one frame has one spelling.
var base64Encoding = base64.StdEncoding.Strict()

// quote returns a JSON string that holds base64 of frame.
func quote(frame []byte) []byte {
	n := base64Encoding.EncodedLen(len(frame))
	out := make([]byte, n+2)
	out[0], out[n+1] = '"', '"'
	base64Encoding.Encode(out[1:n+1], frame)
	return out
}

// unquote returns, in a buffer of its own, what a JSON string holds as base64.
// The what names the expected content.
func unquote(payload []byte, what string) ([]byte, error) {
	text := bytes.Trim(payload, " \t\r\n")
	if len(text) == 0 {
		return nil, &FrameError{Reason: "the payload is empty, not a lambdapool " + what}
	}
	if text[0] != '"' {
		return nil, notAString(text[0], what)
	}
	if len(text) < 2 || text[len(text)-1] != '"' {
		return nil, &FrameError{Reason: "the JSON string does not end"}
	}
	inner := text[1 : len(text)-1]
	if bytes.IndexByte(inner, '\\') >= 0 {
		var s string
		if err := json.Unmarshal(text, &s); err != nil {
			return nil, &FrameError{Reason: fmt.Sprintf("malformed JSON string: %v", err), Err: err}
		}
		inner = []byte(s)
	}
	// The decoder skips line breaks, which JSON and a strict reader do not.
	if bytes.IndexByte(inner, '\n') >= 0 || bytes.IndexByte(inner, '\r') >= 0 {
		return nil, &FrameError{Reason: "the JSON string holds line breaks, not base64 of a lambdapool " + what}
	}
	frame := make([]byte, base64Encoding.DecodedLen(len(inner)))
	n, err := base64Encoding.Decode(frame, inner)
	if err != nil {
		return nil, &FrameError{Reason: fmt.Sprintf("the JSON string does not hold base64 of a lambdapool %s: %v", what, err), Err: err}
	}
	return frame[:n], nil
}

func notAString(first byte, what string) error {
	var kind string
	switch {
	case first == '{':
		kind = "a JSON object"
	case first == '[':
		kind = "a JSON array"
	case first == '-' || '0' <= first && first <= '9':
		kind = "a JSON number"
	case first == 't' || first == 'f':
		kind = "a JSON boolean"
	case first == 'n':
		kind = "JSON null"
	default:
		return &FrameError{Reason: "this is neither JSON nor a lambdapool " + what}
	}
	return &FrameError{Reason: fmt.Sprintf("this looks like %s, not a lambdapool %s: call it through the lambdapool client, which sends a JSON string", kind, what)}
}
