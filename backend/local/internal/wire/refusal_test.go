package wire_test

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lambdapool/lambdapool/backend/local/internal/wire"
)

// Clients decide by the status, the code in the header and Retry-After.
func TestRefusalForClientsOfLambda(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		refusal    wire.Refusal
		body       map[string]string
		retryAfter string
	}{
		"theirs":  {wire.Refusal{Status: 400, Code: "A", Message: "m"}, map[string]string{"Type": "User", "message": "m", "Message": "m"}, ""},
		"ours":    {wire.Refusal{Status: 500, Code: "B", Message: "m"}, map[string]string{"Type": "Service", "message": "m", "Message": "m"}, ""},
		"a limit": {wire.Refusal{Status: 429, Code: "C", Message: "m", Reason: "why", RetryAfter: 1001 * time.Millisecond}, map[string]string{"Type": "User", "message": "m", "Message": "m", "Reason": "why"}, "2"},
	} {
		w := httptest.NewRecorder()
		c.refusal.Write(w)
		var body map[string]string
		if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c.body, body); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		want := []string{"application/json", c.refusal.Code, c.retryAfter}
		got := []string{w.Header().Get("Content-Type"), w.Header().Get("X-Amzn-ErrorType"), w.Header().Get("Retry-After")}
		if diff := cmp.Diff(want, got); diff != "" || w.Code != c.refusal.Status {
			t.Errorf("%s: %d %s", name, w.Code, diff)
		}
	}
}

func TestKindsOfRefusals(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		refused *wire.Refusal
		status  int
		code    string
		says    string
	}{
		{wire.InvalidContent("what"), 400, "InvalidRequestContentException", "what"},
		{wire.InvalidParameter("what"), 400, "InvalidParameterValueException", "what"},
		{wire.Validation("member", "value", "a rule"), 400, "ValidationException", "1 validation error detected: Value 'value' at 'member' failed to satisfy constraint: a rule"},
		{wire.NotFound("arn"), 404, "ResourceNotFoundException", "Function not found: arn"},
		{wire.Conflict("what"), 409, "ResourceConflictException", "what"},
		{wire.Failed("what", errors.New("why")), 500, "ServiceException", "lambdapool: local: what: why"},
		{wire.TooLarge(7, "Op"), 413, "RequestEntityTooLargeException", "Request must be smaller than 7 bytes for the Op operation"},
	} {
		if diff := cmp.Diff(&wire.Refusal{Status: c.status, Code: c.code, Message: c.says}, c.refused); diff != "" {
			t.Error(diff)
		}
	}
}

func TestWriteJSON(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	wire.WriteJSON(w, "some/type", 201, map[string]int{"a": 1})
	if w.Code != 201 || w.Body.String() != `{"a":1}` || w.Header().Get("Content-Type") != "some/type" || w.Header().Get("Content-Length") != "7" {
		t.Errorf("%d %s %v", w.Code, w.Body, w.Header())
	}
	w = httptest.NewRecorder()
	wire.WriteJSON(w, "some/type", 204, nil)
	if w.Code != 204 || w.Body.Len() > 0 || len(w.Header()) > 0 {
		t.Errorf("%d %s %v", w.Code, w.Body, w.Header())
	}
	w = httptest.NewRecorder()
	wire.WriteTargetError(w, &wire.Refusal{Status: 400, Code: "A", Message: "m"})
	if w.Code != 400 || w.Body.String() != `{"__type":"A","message":"m"}` || w.Header().Get("X-Amzn-ErrorType") != "A" {
		t.Errorf("%d %s %v", w.Code, w.Body, w.Header())
	}
}

func TestServeQuery(t *testing.T) {
	t.Parallel()
	find := func(action string) wire.Query {
		return map[string]wire.Query{
			"Get": func(form url.Values) (any, *wire.Refusal) {
				return struct{ Said string }{form.Get("Say")}, nil
			},
			"Delete": func(url.Values) (any, *wire.Refusal) { return nil, nil },
			"Fail": func(url.Values) (any, *wire.Refusal) {
				return nil, &wire.Refusal{Status: 500, Code: "Broken", Message: "a < b"}
			},
			"Forge": func(url.Values) (any, *wire.Refusal) {
				return nil, &wire.Refusal{Status: 403, Code: "InvalidSignatureException", Message: "no"}
			},
		}[action]
	}
	for body, c := range map[string]struct {
		status int
		want   string
	}{
		"Action=Get&Say=a+%26+b": {200, `<GetResponse xmlns="ns"><GetResult><Said>a &amp; b</Said></GetResult><ResponseMetadata><RequestId>id</RequestId></ResponseMetadata></GetResponse>`},
		"Action=Delete":          {200, `<DeleteResponse xmlns="ns"><ResponseMetadata><RequestId>id</RequestId></ResponseMetadata></DeleteResponse>`},
		"Action=Fail":            {500, `<ErrorResponse><Error><Type>Receiver</Type><Code>Broken</Code><Message>a &lt; b</Message></Error><RequestId>id</RequestId></ErrorResponse>`},
		"Action=Forge":           {403, `<ErrorResponse><Error><Type>Sender</Type><Code>SignatureDoesNotMatch</Code><Message>no</Message></Error><RequestId>id</RequestId></ErrorResponse>`},
		"Action=Other":           {501, `<ErrorResponse><Error><Type>Receiver</Type><Code>InvalidAction</Code>`},
		"Action=%zz":             {400, `<ErrorResponse><Error><Type>Sender</Type><Code>MalformedQueryString</Code>`},
	} {
		w := httptest.NewRecorder()
		wire.ServeQuery(w, "id", []byte(body), "ns", find)
		if w.Code != c.status || !strings.HasPrefix(w.Body.String(), c.want) || w.Header().Get("Content-Type") != "text/xml" {
			t.Errorf("%s: %d %s, want %d %s", body, w.Code, w.Body, c.status, c.want)
		}
		if err := xml.Unmarshal(w.Body.Bytes(), new(struct{})); err != nil {
			t.Errorf("%s: %v in %s", body, err, w.Body)
		}
	}
}

// A request for a service that there is not hears so in its own protocol, signed or not.
func TestElsewhere(t *testing.T) {
	t.Parallel()
	a := wire.NewAuthenticator(keyID, secret)
	services := []string{"lambda", "iam"}
	scope := func(service string) string {
		return "AWS4-HMAC-SHA256 Credential=AKIA/20261129/eu-west-1/" + service + "/aws4_request, SignedHeaders=host, Signature=0"
	}
	for name, c := range map[string]struct {
		target string
		header map[string]string
		want   string // empty: it is for this one
	}{
		"ours":               {"/", map[string]string{"Authorization": scope("iam")}, ""},
		"nobody's":           {"/", nil, ""},
		"by its address":     {"http://127.0.0.1:80/", nil, ""},
		"S3":                 {"/", map[string]string{"Authorization": scope("s3")}, "<Error><Code>NotImplemented</Code>"},
		"S3 by a link":       {"/?X-Amz-Credential=AKIA%2F20261129%2Feu-west-1%2Fs3%2Faws4_request", nil, "<Error><Code>NotImplemented</Code>"},
		"S3 by its host":     {"http://bucket.s3.eu-west-1.example:80/", nil, "<Error><Code>NotImplemented</Code>"},
		"S3 by its old host": {"http://s3-eu-west-1.example/", nil, "<Error><Code>NotImplemented</Code>"},
		"JSON":               {"/", map[string]string{"Authorization": scope("dynamodb"), "X-Amz-Target": "X"}, `{"__type":"NotImplemented"`},
		"query":              {"/", map[string]string{"Authorization": scope("sqs"), "Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}, "<ErrorResponse><Error><Type>Receiver</Type><Code>NotImplemented</Code>"},
		"REST":               {"/", map[string]string{"Authorization": scope("cloudfront")}, `{"Message":"lambdapool: local: there is no such service here: cloudfront (this endpoint serves lambda, iam)"`},
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, c.target, nil)
		for name, value := range c.header {
			r.Header.Set(name, value)
		}
		w := httptest.NewRecorder()
		elsewhere := a.Elsewhere(w, r, "id", services)
		switch {
		case elsewhere != (c.want != ""):
			t.Errorf("%s: elsewhere is %t", name, elsewhere)
		case elsewhere && (w.Code != http.StatusNotImplemented || !strings.HasPrefix(w.Body.String(), c.want)):
			t.Errorf("%s: %d %s, want %s", name, w.Code, w.Body, c.want)
		case !elsewhere && w.Body.Len() > 0:
			t.Errorf("%s: answered %s", name, w.Body)
		}
	}
}

// What no operation is at is refused: who may not ask hears that first.
func TestFallback(t *testing.T) {
	t.Parallel()
	a := wire.NewAuthenticator(keyID, secret)
	serve := a.Fallback(func(r *http.Request) *wire.Refusal {
		return &wire.Refusal{Status: 501, Code: "Unknown", Message: r.URL.Path}
	}, "lambda")
	for _, c := range []struct {
		letter letter
		status int
		code   string
	}{
		{letter{}, 501, "Unknown"},
		{letter{secret: "another one"}, 403, "InvalidSignatureException"},
		{letter{service: "s3"}, 501, ""},
	} {
		w := httptest.NewRecorder()
		serve(w, c.letter.sent(t))
		if w.Code != c.status || w.Header().Get("X-Amzn-ErrorType") != c.code || w.Header().Get("X-Amzn-RequestId") == "" {
			t.Errorf("%d %v, want %d %s", w.Code, w.Header(), c.status, c.code)
		}
	}
}
