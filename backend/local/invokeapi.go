package local

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/lambdapool/lambdapool/codec"
)

// maxClientContext is the limit of X-Amz-Client-Context, in bytes of base64:
// https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html#API_Invoke_RequestSyntax
const maxClientContext = 3583

// An invokeAPI serves https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
// to those who sign with its key.
type invokeAPI struct {
	auth    *authenticator
	region  string                                                          // of names that do not say theirs; empty: the one that signed
	resolve func(functionID) (fn *function, over func(), refused *apiError) // over ends the use of fn
	terms   func(functionID, eventTerms) eventTerms                         // if any, changes those of events
}

func (a *invokeAPI) route(mux *http.ServeMux) {
	a.routeInvoke(mux)
	mux.HandleFunc("/", a.signed(codec.MaxRequest, func(_ http.ResponseWriter, r *http.Request, _ *claim, _ []byte) *apiError {
		return errUnknownOperation(r)
	}))
}

func (a *invokeAPI) routeInvoke(mux *http.ServeMux) {
	mux.HandleFunc("POST /2015-03-31/functions/{name}/invocations", a.signed(codec.MaxRequest, a.invoke))
}

// signed lets serve see only what carries a valid signature, with its body of
// at most limit bytes.
func (a *invokeAPI) signed(limit int, serve func(http.ResponseWriter, *http.Request, *claim, []byte) *apiError) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		id := newRequestID()
		w.Header().Set("X-Amzn-RequestId", id)
		w.Header().Set("X-Amz-Request-Id", id)
		claim, body, refused := a.auth.admit(r, limit, "InvokeFunction")
		if refused == nil {
			refused = serve(w, r, claim, body)
		}
		if refused != nil {
			refused.write(w)
		}
	}
}

// invoke is the Invoke operation.
func (a *invokeAPI) invoke(w http.ResponseWriter, r *http.Request, from *claim, body []byte) *apiError {
	id, refused := identify(r.PathValue("name"), r.URL.Query().Get("Qualifier"), or(a.region, from.region))
	if refused != nil {
		return refused
	}
	fn, over, refused := a.resolve(id)
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
		return errValidation("invocationType", kind, "Member must satisfy enum value set: [Event, RequestResponse, DryRun]")
	}
	logType := r.Header.Get("X-Amz-Log-Type")
	switch logType {
	case "", "None", "Tail":
	default:
		return errValidation("logType", logType, "Member must satisfy enum value set: [None, Tail]")
	}
	if kind == "Event" && len(body) > codec.MaxEventRequest {
		return errRequestTooLarge(codec.MaxEventRequest, "InvokeFunction")
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
	inv := &invocation{
		id:            w.Header().Get("X-Amzn-RequestId"),
		arn:           fn.arn(id.qualifier),
		version:       fn.cfg.version,
		clientContext: clientContext,
		traceID:       r.Header.Get("X-Amzn-Trace-Id"),
		payload:       body,
	}
	if inv.traceID == "" {
		inv.traceID = fmt.Sprintf("Root=1-%s-%s;Sampled=0", randomHex(4), randomHex(12))
	}
	switch kind {
	case "DryRun":
		w.Header().Set("X-Amz-Executed-Version", inv.version)
		w.WriteHeader(http.StatusNoContent)
		return nil
	case "Event":
		inv.clientContext = "" // for synchronous invocations only, as the API says
		inv.over = over
		terms := eventTerms{fn.cfg.eventAge, fn.cfg.eventDelays}
		if a.terms != nil {
			terms = a.terms(id, terms)
		}
		if refused := fn.events.push(inv, terms); refused != nil {
			return refused
		}
		taken = true
		w.WriteHeader(http.StatusAccepted)
		return nil
	}
	if f := fn.faults; f != nil {
		return f.serve(w, r, fn, inv, logType == "Tail")
	}
	res := fn.invoke(inv)
	if res.refused != nil {
		return res.refused
	}
	writeResult(w, inv, res, logType == "Tail")
	return nil
}

func writeResult(w http.ResponseWriter, inv *invocation, res result, tail bool) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(res.payload)))
	h.Set("X-Amz-Executed-Version", inv.version)
	h.Set("X-Amzn-Trace-Id", inv.traceID)
	if res.errType != "" {
		h.Set("X-Amz-Function-Error", "Unhandled")
	}
	if tail {
		h.Set("X-Amz-Log-Result", base64.StdEncoding.EncodeToString(res.log))
	}
	_, _ = w.Write(res.payload) // a caller that has gone gets nothing, as on Lambda
}

// How a function may be named in a request: its name, a partial ARN or an ARN,
// each with a qualifier or without. The pattern is the API's for FunctionName.
var namePattern = regexp.MustCompile(`^(?:(?:arn:(aws[a-zA-Z-]*):lambda:)?(?:([a-z]{2}(?:-[a-z]+)+-\d):)?(?:(\d{12}):)?(?:function:)?)([a-zA-Z0-9_-]+)(?::(\$LATEST|[a-zA-Z0-9_-]+))?$`)

var qualifierPattern = regexp.MustCompile(`^(\$LATEST|[a-zA-Z0-9_-]{1,128})$`)

// A functionID is what a request means by a function's name and qualifier.
type functionID struct {
	region, account, name string
	qualifier             string // empty: none was given
}

func (id functionID) arn() string {
	arn := "arn:aws:lambda:" + id.region + ":" + id.account + ":function:" + id.name
	if id.qualifier != "" {
		arn += ":" + id.qualifier
	}
	return arn
}

// identify reads a function's name as requests may spell it, and the qualifier
// given apart from it.
func identify(name, qualifier, region string) (functionID, *apiError) {
	parts := namePattern.FindStringSubmatch(name)
	if parts == nil || len(name) > 170 {
		return functionID{}, errValidation("functionName", name, "Member must satisfy regular expression pattern: "+namePattern.String())
	}
	if qualifier != "" && !qualifierPattern.MatchString(qualifier) {
		return functionID{}, errValidation("qualifier", qualifier, "Member must satisfy regular expression pattern: "+qualifierPattern.String())
	}
	switch inName := parts[5]; {
	case inName != "" && qualifier != "" && inName != qualifier:
		return functionID{}, errInvalidParameter("The derived qualifier from the function name does not match the specified qualifier.")
	case inName != "":
		qualifier = inName
	}
	return functionID{region: or(parts[2], region), account: or(parts[3], account), name: parts[4], qualifier: qualifier}, nil
}

func or(s, fallback string) string {
	if s == "" {
		return fallback
	}
	return s
}

// checkJSON refuses what the service refuses. An empty body is none.
func checkJSON(body []byte) *apiError {
	switch {
	case len(body) == 0 || plainString(body):
		return nil
	case !utf8.Valid(body):
		return errInvalidContent("Could not parse request body into json: Could not parse payload into json: Invalid UTF-8")
	case json.Valid(body):
		return nil
	}
	var v any
	err := json.Unmarshal(body, &v)
	return errInvalidContent(fmt.Sprintf("Could not parse request body into json: Could not parse payload into json: %v", err))
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
func readClientContext(r *http.Request) (string, *apiError) {
	header := r.Header.Get("X-Amz-Client-Context")
	if header == "" {
		return "", nil
	}
	if len(header) > maxClientContext {
		return "", errInvalidContent(fmt.Sprintf("Client context must be no more than %d bytes of base64, not %d.", maxClientContext, len(header)))
	}
	const malformed = "Client context must be a valid Base64-encoded JSON object."
	data, err := base64.StdEncoding.DecodeString(header)
	if err != nil {
		return "", errInvalidContent(malformed)
	}
	var line bytes.Buffer
	if json.Compact(&line, data) != nil || !strings.HasPrefix(line.String(), "{") {
		return "", errInvalidContent(malformed)
	}
	return line.String(), nil
}
