package service

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/lambdapool/lambdapool/backend/local/internal/sandbox"
	"github.com/lambdapool/lambdapool/backend/local/internal/wire"
	"github.com/lambdapool/lambdapool/codec"
)

// maxClientContext is the limit of X-Amz-Client-Context, in bytes of base64:
// https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html#API_Invoke_RequestSyntax
const maxClientContext = 3583

// The operations that an API serves, as patterns of an [http.ServeMux].
const (
	InvokePattern = "POST /2015-03-31/functions/{name}/invocations"
	StreamPattern = "POST /2021-11-15/functions/{name}/response-streaming-invocations"
)

// An API serves https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
// to those who sign with a key that Auth knows.
type API struct {
	Auth    *wire.Authenticator
	Region  string                                                                   // of names that do not say theirs; empty: the one that signed
	Resolve func(wire.FunctionID) (fn *Function, over func(), refused *wire.Refusal) // over ends the use of fn
	Terms   func(wire.FunctionID, Terms) Terms                                       // if any, changes those of events
}

// Route adds the operations to mux.
func (a *API) Route(mux *http.ServeMux) {
	mux.HandleFunc(InvokePattern, a.signed(codec.MaxRequest, a.invoke))
	mux.HandleFunc(StreamPattern, a.signed(codec.MaxRequest, a.invokeStream))
}

// signed lets serve see only what carries a valid signature, with its body of
// at most limit bytes.
func (a *API) signed(limit int, serve func(http.ResponseWriter, *http.Request, *wire.Claim, []byte) *wire.Refusal) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		id := wire.RequestID()
		w.Header().Set("X-Amzn-RequestId", id)
		w.Header().Set("X-Amz-Request-Id", id)
		claim, body, refused := a.Auth.Admit(r, limit, "InvokeFunction", "lambda")
		if refused == nil {
			refused = serve(w, r, claim, body)
		}
		if refused != nil {
			refused.Write(w)
		}
	}
}

// invoke is the Invoke operation.
func (a *API) invoke(w http.ResponseWriter, r *http.Request, from *wire.Claim, body []byte) *wire.Refusal {
	id, refused := wire.Identify(r.PathValue("name"), r.URL.Query().Get("Qualifier"), cmp.Or(a.Region, from.Region))
	if refused != nil {
		return refused
	}
	fn, over, refused := a.Resolve(id)
	if refused != nil {
		return refused
	}
	taken := false // by the queue of events
	defer func() {
		if !taken {
			over()
		}
	}()
	kind := r.Header.Get("X-Amz-Invocation-Type")
	switch kind {
	case "":
		kind = "RequestResponse"
	case "RequestResponse", "Event", "DryRun":
	default:
		return wire.Validation("invocationType", kind, "Member must satisfy enum value set: [Event, RequestResponse, DryRun]")
	}
	logType := r.Header.Get("X-Amz-Log-Type")
	switch logType {
	case "", "None", "Tail":
	default:
		return wire.Validation("logType", logType, "Member must satisfy enum value set: [None, Tail]")
	}
	if kind == "Event" && len(body) > codec.MaxEventRequest {
		return wire.TooLarge(codec.MaxEventRequest, "InvokeFunction")
	}
	if refused := checkJSON(body); refused != nil {
		return refused
	}
	if len(body) == 0 {
		body = []byte("{}") // what Lambda gives a function that is invoked without a payload
	}
	clientContext, refused := readClientContext(r)
	if refused != nil {
		return refused
	}
	inv := &sandbox.Invocation{
		ID:            w.Header().Get("X-Amzn-RequestId"),
		ARN:           fn.ARN(id.Qualifier),
		Version:       fn.cfg.Version,
		ClientContext: clientContext,
		TraceID:       r.Header.Get("X-Amzn-Trace-Id"),
		Payload:       body,
	}
	if inv.TraceID == "" {
		inv.TraceID = fmt.Sprintf("Root=1-%s-%s;Sampled=0", wire.RandomHex(4), wire.RandomHex(12))
	}
	switch kind {
	case "DryRun":
		w.Header().Set("X-Amz-Executed-Version", inv.Version)
		w.WriteHeader(http.StatusNoContent)
		return nil
	case "Event":
		inv.ClientContext = "" // for synchronous invocations only, as the API says
		terms := fn.cfg.Terms
		if a.Terms != nil {
			terms = a.Terms(id, terms)
		}
		if refused := fn.events.push(inv, over, terms); refused != nil {
			return refused
		}
		taken = true
		w.WriteHeader(http.StatusAccepted)
		return nil
	}
	if fn.cfg.Faults != nil {
		return serveFaulty(w, r, fn, inv, logType == "Tail")
	}
	res := fn.invoke(inv)
	if res.Refused != nil {
		return res.Refused
	}
	writeResult(w, inv, res, logType == "Tail")
	return nil
}

func writeResult(w http.ResponseWriter, inv *sandbox.Invocation, res sandbox.Result, tail bool) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(res.Payload)))
	h.Set("X-Amz-Executed-Version", inv.Version)
	h.Set("X-Amzn-Trace-Id", inv.TraceID)
	if res.ErrType != "" {
		h.Set("X-Amz-Function-Error", "Unhandled")
	}
	if tail {
		h.Set("X-Amz-Log-Result", base64.StdEncoding.EncodeToString(res.Log))
	}
	_, _ = w.Write(res.Payload) // a caller that has gone gets nothing, as on Lambda
}

// checkJSON refuses what the service refuses. An empty body is none.
func checkJSON(body []byte) *wire.Refusal {
	switch {
	case len(body) == 0 || plainString(body):
		return nil
	case !utf8.Valid(body):
		return wire.InvalidContent("Could not parse request body into json: Could not parse payload into json: Invalid UTF-8")
	case json.Valid(body):
		return nil
	}
	var v any
	err := json.Unmarshal(body, &v)
	return wire.InvalidContent(fmt.Sprintf("Could not parse request body into json: Could not parse payload into json: %v", err))
}

// plainString says at memory speed that body is one JSON string without
// escapes, as every lambdapool request is.
func plainString(body []byte) bool {
	if len(body) < 2 || body[0] != '"' || body[len(body)-1] != '"' {
		return false
	}
	for _, c := range body[1 : len(body)-1] {
		if c < ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

// readClientContext returns the JSON that the header carries, on one line as
// it goes into a header again.
func readClientContext(r *http.Request) (string, *wire.Refusal) {
	header := r.Header.Get("X-Amz-Client-Context")
	if header == "" {
		return "", nil
	}
	if len(header) > maxClientContext {
		return "", wire.InvalidContent(fmt.Sprintf("Client context must be no more than %d bytes of base64, not %d.", maxClientContext, len(header)))
	}
	const malformed = "Client context must be a valid Base64-encoded JSON object."
	data, err := base64.StdEncoding.DecodeString(header)
	if err != nil {
		return "", wire.InvalidContent(malformed)
	}
	var line bytes.Buffer
	if json.Compact(&line, data) != nil || !strings.HasPrefix(line.String(), "{") {
		return "", wire.InvalidContent(malformed)
	}
	return line.String(), nil
}
