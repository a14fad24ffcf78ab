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
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/schemas"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	smithy "github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/lambdapool/lambdapool/codec"
	"github.com/lambdapool/lambdapool/driver"
	"github.com/lambdapool/lambdapool/internal/once"
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
func (b *Backend) answered(resp *http.Response, data []byte) (*driver.Response, *driver.InvokeError) {
	tail := logTail(resp.Header)
	rep := parseReport(tail)
	out := &driver.Response{
		Payload:         data,
		RequestID:       requestID(resp.Header),
		ExecutedVersion: resp.Header.Get(headerVersion),
		Duration:        rep.duration,
		Billed:          rep.billed,
		Init:            rep.init,
		MemoryLimit:     rep.memory,
		MemoryPeak:      rep.peak,
		LogTail:         tail,
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
	return nil, &driver.InvokeError{
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
	encoded := h.Get(headerLogResult)
	if encoded == "" {
		return ""
	}
	buf := tails.Get().(*[]byte)
	defer tails.Put(buf)
	tail, err := base64.StdEncoding.AppendDecode((*buf)[:0], []byte(encoded))
	if err != nil {
		return "" // it only adds to what is known
	}
	*buf = tail
	return strings.ToValidUTF8(string(tail), "\uFFFD")
}

// tails are buffers for log tails, of which Lambda sends 4 KB at most.
var tails = sync.Pool{New: func() any { b := make([]byte, 0, 4<<10); return &b }}

// cause describes the failure with the facts at hand.
func (f failure) cause(row failureRow) error {
	var text strings.Builder
	switch {
	case row.name == "unreadable":
		text.WriteString("the function failed without saying how")
	case row.private:
		// The message is the function's: it may quote arguments.
		fmt.Fprintf(&text, "the function answered with a %q of its own runtime", once.Clip(f.Type))
	case f.Type == "":
		text.WriteString(once.Clip(f.Message))
	default:
		fmt.Fprintf(&text, "%s: %s", once.Clip(f.Type), once.Clip(f.Message))
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
func (b *Backend) refused(resp *http.Response, data []byte, creds aws.Credentials) *driver.InvokeError {
	code, message, reason := "", "", ""
	api := b.protocol.read(resp, data)
	if api != nil && api.ErrorCode() != "UnknownError" {
		code, message = api.ErrorCode(), api.ErrorMessage()
	}
	if throttle, ok := api.(*types.TooManyRequestsException); ok {
		reason = string(throttle.Reason)
	}
	v := judge(resp.StatusCode, code)
	e := &driver.InvokeError{
		Outcome:    v.outcome,
		Kind:       v.kind,
		Permanent:  v.permanent,
		Reason:     once.Clip(reason),
		RetryAfter: once.RetryAfter(resp.Header, b.clock.now()),
		RequestID:  requestID(resp.Header),
		Hint:       v.hint,
	}
	status := &statusError{text: fmt.Sprintf("HTTP %d", resp.StatusCode)}
	if code != "" {
		status.text = fmt.Sprintf("%s (%s)", once.Clip(code), status.text)
	}
	if reason != "" {
		status.text += ": " + once.Clip(reason)
	}
	if !v.private {
		status.api = api
		if message != "" {
			status.text += ": " + once.Clip(message)
		}
	}
	e.Err = status
	if errors.Is(v.kind, driver.ErrAccessDenied) {
		b.reconsider(e, resp, creds)
	}
	return e
}

// reconsider tells a refusal that time explains from one that lasts: the
// clocks differ, or temporary credentials ran out on their way.
func (b *Backend) reconsider(e *driver.InvokeError, resp *http.Response, creds aws.Credentials) {
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
