package awslambda_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/awslambda"
)

// No credential, payload or result is in an error or a log, whatever the service echoes.
func TestNoSecrets(t *testing.T) {
	const argument, result = "planted-argument", "planted-result"
	secrets := []string{secretKey, secretToken, argument, result, "AWS4-HMAC-SHA256", "Signature="}
	var status int
	var code string
	f := newFake(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		// All that a service, a proxy or a runtime could repeat.
		echo := fmt.Sprintf("%s %s x-amz-security-token:%s %s", body, r.Header.Get("Authorization"), r.Header.Get("X-Amz-Security-Token"), result)
		if code == "cut" {
			c := hijack(t, w)
			fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\n%s", echo)
			c.Close()
			return
		}
		if code == "garbage" {
			c := hijack(t, w)
			fmt.Fprintf(c, "%s\r\n\r\n", echo)
			c.Close()
			return
		}
		message, err := json.Marshal(echo)
		if err != nil {
			t.Error(err)
		}
		if status == 200 && code != "" {
			w.Header().Set("X-Amz-Function-Error", "Unhandled")
			fmt.Fprintf(w, `{"errorType":%q,"errorMessage":%s}`, code, message)
			return
		}
		if code != "" {
			w.Header().Set("X-Amzn-Errortype", code)
		}
		w.WriteHeader(status)
		fmt.Fprintf(w, `{"message":%s}`, message)
	})
	var logged bytes.Buffer
	b := f.open(t, awslambda.WithClientLog(slog.New(slog.NewJSONHandler(&logged, &slog.HandlerOptions{Level: slog.LevelDebug}))))
	var texts []string
	attempt := func() {
		_, err := b.Invoke(t.Context(), &lambdapool.Request{Payload: []byte(`"` + argument + `"`)})
		if err == nil {
			return
		}
		for e := err; e != nil; {
			texts = append(texts, fmt.Sprintf("%v | %+v | %#v", e, e, e.Error()))
			switch u := e.(type) {
			case interface{ Unwrap() error }:
				e = u.Unwrap()
			case interface{ Unwrap() []error }:
				all := u.Unwrap()
				e = all[len(all)-1]
			default:
				e = nil
			}
		}
		if ierr := failure(t, nil, err); ierr.Response != nil && ierr.Response.Payload != nil {
			t.Error("a failed run has a payload")
		} else {
			texts = append(texts, ierr.Hint, ierr.Reason)
		}
	}
	for _, status = range []int{200, 400, 401, 403, 404, 418, 500, 502} {
		for _, code = range []string{"", "cut", "garbage", "UnheardOf", "InvalidSignatureException", "IncompleteSignatureException",
			"InvalidRequestContentException", "UnrecognizedClientException", "ValidationException", "InvalidParameterValueException", "ValueError"} {
			attempt()
		}
	}
	if len(texts) < 50 || logged.Len() == 0 {
		t.Fatalf("only %d texts and %d bytes of log", len(texts), logged.Len())
	}
	for _, text := range append(texts, strings.Split(logged.String(), "\n")...) {
		for _, secret := range secrets {
			if strings.Contains(text, secret) {
				t.Errorf("%q is in %s", secret, text)
			}
		}
	}
}

func TestClientLog(t *testing.T) {
	ok := true
	f := newFake(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("X-Amzn-Requestid", "id-1")
		w.Header().Set("X-Amz-Executed-Version", "9")
		if !ok {
			w.Header().Set("X-Amzn-Errortype", "ServiceException")
			w.WriteHeader(500)
		}
		fmt.Fprint(w, "{}")
	})
	var logged bytes.Buffer
	level := new(slog.LevelVar)
	b := f.open(t, awslambda.WithQualifier("live"), awslambda.WithClientLog(slog.New(slog.NewJSONHandler(&logged, &slog.HandlerOptions{Level: level}))))
	invoke := func() map[string]any {
		logged.Reset()
		_, _ = b.Invoke(t.Context(), &lambdapool.Request{Payload: []byte(payload)})
		if logged.Len() == 0 {
			return nil
		}
		var record map[string]any
		if err := json.Unmarshal(logged.Bytes(), &record); err != nil {
			t.Errorf("%s: %v", logged.Bytes(), err)
		}
		if took, ok := record["took"].(float64); !ok || took <= 0 {
			t.Errorf("took %v", record["took"])
		}
		delete(record, "took")
		delete(record, "time")
		return record
	}
	if got := invoke(); got != nil {
		t.Errorf("logged at info level: %v", got)
	}
	level.Set(slog.LevelDebug)
	want := map[string]any{
		"level": "DEBUG", "msg": "invoke", "function": "algorithms", "request_bytes": 10.0,
		"request_id": "id-1", "outcome": "ran", "version": "9", "reply_bytes": 2.0,
	}
	if diff := cmp.Diff(want, invoke()); diff != "" {
		t.Errorf("success (-want +got):\n%s", diff)
	}
	ok = false
	want = map[string]any{
		"level": "DEBUG", "msg": "invoke", "function": "algorithms", "request_bytes": 10.0,
		"request_id": "id-1", "outcome": "unknown", "permanent": false, "error": "unknown outcome: ServiceException (HTTP 500)",
	}
	if diff := cmp.Diff(want, invoke()); diff != "" {
		t.Errorf("failure (-want +got):\n%s", diff)
	}
}
