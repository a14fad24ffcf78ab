package service

import (
	"bytes"
	"encoding/json"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream"

	"github.com/lambdapool/lambdapool/backend/local/internal/wire"
)

// maxChunk is how much one event of a response stream carries. The service's have no
// documented size.
const maxChunk = 64 << 10

// invokeStream is the InvokeWithResponseStream operation, for functions whose response is
// buffered, as on Lambda: their result is sent as a stream when they are done.
// https://docs.aws.amazon.com/lambda/latest/api/API_InvokeWithResponseStream.html
func (a *API) invokeStream(w http.ResponseWriter, r *http.Request, from *wire.Claim, body []byte) *wire.Refusal {
	if kind := r.Header.Get("X-Amz-Invocation-Type"); kind == "Event" {
		return wire.Validation("invocationType", kind, "Member must satisfy enum value set: [RequestResponse, DryRun]")
	}
	buffer := &buffered{header: w.Header(), status: http.StatusOK}
	if refused := a.invoke(buffer, r, from, body); refused != nil {
		return refused
	}
	h := w.Header()
	if buffer.status != http.StatusOK { // a dry run
		w.WriteHeader(buffer.status)
		return nil
	}
	failed, log := h.Get("X-Amz-Function-Error"), h.Get("X-Amz-Log-Result")
	for _, name := range []string{"X-Amz-Function-Error", "X-Amz-Log-Result", "Content-Length"} {
		h.Del(name)
	}
	h.Set("Content-Type", "application/vnd.amazon.eventstream")
	complete := map[string]string{}
	if failed != "" {
		complete["ErrorCode"], complete["ErrorDetails"] = failed, buffer.body.String()
	}
	if log != "" {
		complete["LogResult"] = log
	}
	last, err := json.Marshal(complete)
	if err != nil {
		panic(err) // a map of strings always marshals
	}
	for data := buffer.body.Bytes(); len(data) > 0; {
		n := min(len(data), maxChunk)
		if writeEvent(w, "PayloadChunk", "application/octet-stream", data[:n]) != nil {
			return nil // the caller has gone
		}
		data = data[n:]
	}
	_ = writeEvent(w, "InvokeComplete", "application/json", last) // the caller may have gone
	return nil
}

func writeEvent(w http.ResponseWriter, kind, contentType string, payload []byte) error {
	var m eventstream.Message
	m.Headers.Set(":message-type", eventstream.StringValue("event"))
	m.Headers.Set(":event-type", eventstream.StringValue(kind))
	m.Headers.Set(":content-type", eventstream.StringValue(contentType))
	m.Payload = payload
	return eventstream.NewEncoder().Encode(w, m)
}

// buffered keeps an answer for itself.
type buffered struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (b *buffered) Header() http.Header         { return b.header }
func (b *buffered) WriteHeader(status int)      { b.status = status }
func (b *buffered) Write(p []byte) (int, error) { return b.body.Write(p) }
