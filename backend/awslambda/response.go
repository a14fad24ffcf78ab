package awslambda

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/schemas"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	smithy "github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/codec"
)

// maxBody is more than any answer of Lambda: what is longer is not one.
const maxBody = codec.MaxReply + 64<<10

// The headers of an Invoke response that are no constants in the SDK
// (bindings of schemas.InvocationResponse).
const (
	headerFunctionError = "X-Amz-Function-Error"
	headerLogResult     = "X-Amz-Log-Result"
	headerVersion       = "X-Amz-Executed-Version"
)

var errBodyTooLong = fmt.Errorf("the answer is longer than %d bytes", codec.MaxReply)

// readBody reads the whole body and closes it. A body that ends before its
// Content-Length, or before its last chunk, is an error.
func readBody(resp *http.Response) ([]byte, error) {
	defer resp.Body.Close()
	n := resp.ContentLength
	if n > maxBody {
		return nil, errBodyTooLong
	}
	if n >= 0 {
		data := make([]byte, n)
		_, err := io.ReadFull(resp.Body, data)
		return data, err
	}
	var buf bytes.Buffer
	m, err := buf.ReadFrom(io.LimitReader(resp.Body, maxBody+1))
	if m > maxBody {
		err = errBodyTooLong
	}
	return buf.Bytes(), err
}

// requestID is Lambda's id of the invocation, under any of the names in use.
func requestID(h http.Header) string {
	for _, name := range []string{"X-Amzn-Requestid", "X-Amz-Request-Id", "X-Amz-Requestid"} {
		if id := h.Get(name); id != "" {
			return id
		}
	}
	return ""
}

// answered turns a complete 200 into a response, or into the failure that it reports.
func (b *Backend) answered(resp *http.Response, data []byte) (*lambdapool.Response, *lambdapool.InvokeError) {
	tail := logTail(resp.Header)
	rep := parseReport(tail)
	out := &lambdapool.Response{
		Payload:         data,
		RequestID:       requestID(resp.Header),
		ExecutedVersion: resp.Header.Get(headerVersion),
		Duration:        rep.duration,
		Billed:          rep.billed,
		Init:            rep.init,
		MemoryLimit:     rep.memory,
		MemoryPeak:      rep.peak,
	}
	if resp.Header.Get(headerFunctionError) == "" {
		return out, nil
	}
	f := failure{report: rep}
	if json.Unmarshal(data, &f) != nil {
		f = failure{report: rep} // not Lambda's shape: the row for that decides
	}
	out.Payload = nil
	row := f.row()
	return nil, &lambdapool.InvokeError{
		Outcome:   row.outcome,
		Kind:      row.kind,
		Err:       f.cause(row),
		Permanent: row.permanent,
		RequestID: out.RequestID,
		Hint:      row.hint,
		LogTail:   tail,
		Response:  out,
	}
}

// logTail is the end of the function's log, or nothing.
func logTail(h http.Header) string {
	tail, err := base64.StdEncoding.DecodeString(h.Get(headerLogResult))
	if err != nil {
		return "" // it only adds to what is known
	}
	return strings.ToValidUTF8(string(tail), "\uFFFD")
}

// cause describes the failure with the facts at hand.
func (f failure) cause(row failureRow) error {
	var text strings.Builder
	switch {
	case row.name == "unreadable":
		text.WriteString("the function failed without saying how")
	case row.private:
		// The message is the function's: it may quote arguments.
		fmt.Fprintf(&text, "the function answered with a %q of its own runtime", clip(f.Type))
	case f.Type == "":
		text.WriteString(clip(f.Message))
	default:
		fmt.Fprintf(&text, "%s: %s", clip(f.Type), clip(f.Message))
	}
	if facts := f.report.facts(); facts != "" {
		fmt.Fprintf(&text, " [%s]", facts)
	}
	return errors.New(text.String())
}

func (r report) facts() string {
	var facts []string
	if r.memory > 0 {
		facts = append(facts, fmt.Sprintf("memory %d of %d MB", r.peak>>20, r.memory>>20))
	}
	if r.duration > 0 {
		facts = append(facts, fmt.Sprintf("ran %v", r.duration))
	}
	if r.billed > 0 {
		facts = append(facts, fmt.Sprintf("billed %v", r.billed))
	}
	if r.init > 0 {
		facts = append(facts, fmt.Sprintf("start took %v", r.init))
	}
	return strings.Join(facts, ", ")
}

// clip bounds text that comes from the network.
func clip(s string) string {
	const most = 400
	if len(s) > most {
		s = s[:most] + "…"
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

// An errorReader reads error answers with the SDK's own deserialiser.
type errorReader struct{ protocol smithyhttp.ClientProtocol }

var invokeSchema = smithy.NewOperationSchema(schemas.Invoke, schemas.InvocationRequest, schemas.InvocationResponse)

// read returns the SDK's error, or nil when the body is not one.
func (p errorReader) read(resp *http.Response, data []byte) smithy.APIError {
	resp.Body = io.NopCloser(bytes.NewReader(data))
	err := p.protocol.DeserializeResponse(context.Background(), invokeSchema, lambda.TypeRegistry,
		&smithyhttp.Response{Response: resp}, &lambda.InvokeOutput{})
	var api smithy.APIError
	if !errors.As(err, &api) {
		return nil
	}
	return api
}

// A statusError is an answer other than 200. It unwraps to the SDK's error
// where that cannot hold anything secret.
type statusError struct {
	text string
	api  error
}

func (e *statusError) Error() string { return e.text }
func (e *statusError) Unwrap() error { return e.api }

// refused classifies a complete answer other than 200.
func (b *Backend) refused(resp *http.Response, data []byte, creds aws.Credentials) *lambdapool.InvokeError {
	code, message, reason := "", "", ""
	api := b.protocol.read(resp, data)
	if api != nil && api.ErrorCode() != "UnknownError" {
		code, message = api.ErrorCode(), api.ErrorMessage()
	}
	if throttle, ok := api.(*types.TooManyRequestsException); ok {
		reason = string(throttle.Reason)
	}
	v := judge(resp.StatusCode, code)
	e := &lambdapool.InvokeError{
		Outcome:    v.outcome,
		Kind:       v.kind,
		Permanent:  v.permanent,
		Reason:     clip(reason),
		RetryAfter: retryAfter(resp.Header, b.clock.now()),
		RequestID:  requestID(resp.Header),
		Hint:       v.hint,
	}
	status := &statusError{text: fmt.Sprintf("HTTP %d", resp.StatusCode)}
	if code != "" {
		status.text = fmt.Sprintf("%s (%s)", clip(code), status.text)
	}
	if reason != "" {
		status.text += ": " + clip(reason)
	}
	if !v.private {
		status.api = api
		if message != "" {
			status.text += ": " + clip(message)
		}
	}
	e.Err = status
	if errors.Is(v.kind, lambdapool.ErrAccessDenied) {
		b.reconsider(e, resp, creds)
	}
	return e
}

// reconsider tells a refusal that time explains from one that lasts: the
// clocks differ, or temporary credentials ran out on their way.
func (b *Backend) reconsider(e *lambdapool.InvokeError, resp *http.Response, creds aws.Credentials) {
	if skew, ok := b.clock.learn(resp.Request, resp.Header); ok {
		e.Permanent = false
		e.Hint = fmt.Sprintf("this machine's clock differs from Lambda's by %v; from now on requests are signed with Lambda's", skew)
		return
	}
	const soon = 5 * time.Minute
	if creds.CanExpire && time.Until(creds.Expires) < soon {
		if cache, ok := b.creds.(*aws.CredentialsCache); ok {
			cache.Invalidate()
			e.Permanent = false
		}
	}
}

// retryAfter reads Retry-After, in seconds or as a date.
func retryAfter(h http.Header, now time.Time) time.Duration {
	const most = time.Hour // a wish beyond it is a mistake
	v := strings.TrimSpace(h.Get("Retry-After"))
	var d time.Duration
	if seconds, err := strconv.ParseFloat(v, 64); err == nil {
		d = time.Duration(clamp(seconds, most.Seconds()) * float64(time.Second))
	} else if at, err := http.ParseTime(v); err == nil {
		d = at.Sub(now)
	}
	return max(0, min(d, most))
}
