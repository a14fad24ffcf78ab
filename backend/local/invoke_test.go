package local_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/google/go-cmp/cmp"

	"github.com/lambdapool/lambdapool/backend/local"
	"github.com/lambdapool/lambdapool/codec"
)

const arn = "arn:aws:lambda:us-east-1:000000000000:function:lambdapool"

func TestInvokeWithTheSDK(t *testing.T) {
	t.Parallel()
	b := open(t, as("handler"), local.WithConcurrency(1))
	out, err := sdk(t, b).Invoke(t.Context(), &lambda.InvokeInput{
		FunctionName:  aws.String(b.FunctionName()),
		Payload:       []byte(`{"do":"context"}`),
		Qualifier:     aws.String("$LATEST"),
		LogType:       types.LogTypeTail,
		ClientContext: aws.String(base64.StdEncoding.EncodeToString([]byte("{\n\"custom\": {\"who\": \"grün\"}}"))),
	})
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		ID     string            `json:"id"`
		ARN    string            `json:"arn"`
		Trace  string            `json:"trace"`
		Client map[string]string `json:"client"`
		Left   float64           `json:"left"`
	}
	if err := json.Unmarshal(out.Payload, &got); err != nil {
		t.Fatal(err)
	}
	if out.FunctionError != nil || out.StatusCode != http.StatusOK || aws.ToString(out.ExecutedVersion) != "$LATEST" {
		t.Errorf("error %v, status %d, version %v", aws.ToString(out.FunctionError), out.StatusCode, aws.ToString(out.ExecutedVersion))
	}
	if got.ARN != arn+":$LATEST" || got.Client["who"] != "grün" || !strings.HasPrefix(got.Trace, "Root=1-") || got.Left < 890 || got.Left > 900 {
		t.Errorf("the handler saw %+v", got)
	}
	log := string(must(base64.StdEncoding.DecodeString(aws.ToString(out.LogResult))))
	if !strings.Contains(log, "START RequestId: "+got.ID+" Version: $LATEST\n") {
		t.Errorf("log:\n%s", log)
	}
}

func TestReplyBytesAreKept(t *testing.T) {
	t.Parallel()
	b := open(t, as("handler"), local.WithConcurrency(1))
	if got := do(t, b, job{Do: "binary"}).body; got != "\xc1LP\x00\xff\n\xfe" {
		t.Errorf("got %q", got)
	}
}

func TestResponseHeaders(t *testing.T) {
	t.Parallel()
	b := open(t, as("handler"), local.WithConcurrency(1))
	r := send(t, b, request{body: []byte(`"hello"`)})
	if r.status != http.StatusOK || r.body != `"hello"` {
		t.Errorf("status %d, body %q", r.status, r.body)
	}
	uuid := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	if id := r.header.Get("X-Amzn-Requestid"); !uuid.MatchString(id) || id != r.header.Get("X-Amz-Request-Id") {
		t.Errorf("request ids %q and %q", id, r.header.Get("X-Amz-Request-Id"))
	}
	if v := r.header.Get("X-Amz-Executed-Version"); v != "$LATEST" {
		t.Errorf("executed version %q", v)
	}
	for _, name := range []string{"X-Amz-Function-Error", "X-Amz-Log-Result"} {
		if v, ok := r.header[name]; ok {
			t.Errorf("%s: %q, want none", name, v)
		}
	}
	if got := send(t, b, request{}).body; got != "{}" {
		t.Errorf("without a payload the function got %q, want {}", got)
	}
}

func TestRefusedRequests(t *testing.T) {
	t.Parallel()
	b := open(t, as("handler"), local.WithConcurrency(1))
	const invoke = "/2015-03-31/functions/"
	for name, c := range map[string]struct {
		req     request
		status  int
		code    string
		message string
	}{
		"not JSON":               {request{body: []byte("hello")}, 400, "InvalidRequestContentException", "Could not parse request body into json: Could not parse payload into json: invalid character 'h'"},
		"cut JSON":               {request{body: []byte(`{"a":`)}, 400, "InvalidRequestContentException", "Could not parse request body into json: "},
		"two values":             {request{body: []byte(`1 2`)}, 400, "InvalidRequestContentException", "Could not parse request body into json: "},
		"quote within":           {request{body: []byte(`"a"b"`)}, 400, "InvalidRequestContentException", "Could not parse request body into json: "},
		"lone quote":             {request{body: []byte(`"`)}, 400, "InvalidRequestContentException", "Could not parse request body into json: "},
		"not UTF-8":              {request{body: []byte("\"\xff\"")}, 400, "InvalidRequestContentException", "Invalid UTF-8"},
		"other function":         {request{path: invoke + "other/invocations"}, 404, "ResourceNotFoundException", "Function not found: arn:aws:lambda:us-east-1:000000000000:function:other"},
		"other version":          {request{path: invoke + "lambdapool/invocations?Qualifier=7"}, 404, "ResourceNotFoundException", "Function not found: " + arn + ":7"},
		"other version in name":  {request{path: invoke + "lambdapool:live/invocations"}, 404, "ResourceNotFoundException", "Function not found: " + arn + ":live"},
		"two qualifiers":         {request{path: invoke + "lambdapool:$LATEST/invocations?Qualifier=live"}, 400, "InvalidParameterValueException", "The derived qualifier from the function name does not match the specified qualifier."},
		"other account":          {request{path: invoke + "123456789012:function:lambdapool/invocations"}, 404, "ResourceNotFoundException", "123456789012"},
		"other region":           {request{path: invoke + "arn:aws:lambda:eu-west-1:000000000000:function:lambdapool/invocations"}, 404, "ResourceNotFoundException", "eu-west-1"},
		"bad name":               {request{path: invoke + "a%20b/invocations"}, 400, "ValidationException", "'functionName'"},
		"long name":              {request{path: invoke + strings.Repeat("a", 171) + "/invocations"}, 400, "ValidationException", "'functionName'"},
		"bad qualifier":          {request{path: invoke + "lambdapool/invocations?Qualifier=a%20b"}, 400, "ValidationException", "'qualifier'"},
		"invocation type":        {request{header: map[string]string{"X-Amz-Invocation-Type": "Later"}}, 400, "ValidationException", "[Event, RequestResponse, DryRun]"},
		"log type":               {request{header: map[string]string{"X-Amz-Log-Type": "Head"}}, 400, "ValidationException", "[None, Tail]"},
		"client context":         {request{header: map[string]string{"X-Amz-Client-Context": "e30"}}, 400, "InvalidRequestContentException", "Base64-encoded JSON"},
		"client context list":    {request{header: map[string]string{"X-Amz-Client-Context": "W10="}}, 400, "InvalidRequestContentException", "Base64-encoded JSON"},
		"client context too big": {request{header: map[string]string{"X-Amz-Client-Context": strings.Repeat("e", 3584)}}, 400, "InvalidRequestContentException", "3583"},
		"method":                 {request{method: "GET", path: invoke + "lambdapool/invocations"}, 501, "UnknownOperationException", "no operation at GET"},
		"path":                   {request{path: "/2099-01-01/everything"}, 501, "UnknownOperationException", "no operation at POST /2099-01-01/everything"},
		"too large":              {request{body: jsonString(codec.MaxRequest + 1)}, 413, "RequestEntityTooLargeException", "Request must be smaller than 6291456 bytes for the InvokeFunction operation"},
		"event too large":        {request{body: jsonString(codec.MaxEventRequest + 1), header: map[string]string{"X-Amz-Invocation-Type": "Event"}}, 413, "RequestEntityTooLargeException", "Request must be smaller than 1048576 bytes"},
	} {
		r := send(t, b, c.req)
		var e struct {
			Message string `json:"message"`
		}
		if err := json.Unmarshal([]byte(r.body), &e); err != nil {
			t.Errorf("%s: %v in %q", name, err, r.body)
		}
		if r.status != c.status || r.errorType() != c.code || !strings.Contains(e.Message, c.message) {
			t.Errorf("%s: %d %s %q, want %d %s …%q…", name, r.status, r.errorType(), e.Message, c.status, c.code, c.message)
		}
		if r.header.Get("X-Amz-Request-Id") == "" {
			t.Errorf("%s: no request id", name)
		}
	}
}

// jsonString returns a JSON string of n bytes, quotes included.
func jsonString(n int) []byte {
	s := bytes.Repeat([]byte{'s'}, n)
	s[0], s[n-1] = '"', '"'
	return s
}

func TestFunctionIsKnownByAllItsNames(t *testing.T) {
	t.Parallel()
	b := open(t, as("handler"), local.WithConcurrency(1), local.WithFunctionName("my_fn-1"))
	for _, name := range []string{
		"my_fn-1", "my_fn-1:$LATEST", "function:my_fn-1", "000000000000:my_fn-1", "000000000000:function:my_fn-1",
		"arn:aws:lambda:us-east-1:000000000000:function:my_fn-1",
		"arn:aws:lambda:us-east-1:000000000000:function:my_fn-1:$LATEST",
		"arn%3Aaws%3Alambda%3Aus-east-1%3A000000000000%3Afunction%3Amy_fn-1%3A%24LATEST",
	} {
		if r := send(t, b, request{path: "/2015-03-31/functions/" + name + "/invocations", body: []byte("1")}); r.status != 200 {
			t.Errorf("%s: %d %s", name, r.status, r.body)
		}
		if strings.Contains(name, "%") {
			continue
		}
		if _, err := sdk(t, b).Invoke(t.Context(), &lambda.InvokeInput{FunctionName: &name}); err != nil {
			t.Errorf("%s with the SDK: %v", name, err)
		}
	}
}

func TestSizesAtTheLimits(t *testing.T) {
	t.Parallel()
	b := open(t, as("handler"), local.WithConcurrency(1))
	if r := send(t, b, request{body: jsonString(codec.MaxRequest)}); r.status != 200 || len(r.body) != codec.MaxRequest {
		t.Errorf("the largest request: status %d, %d bytes back", r.status, len(r.body))
	}
	if r := do(t, b, job{Do: "reply", N: codec.MaxReply}); len(r.body) != codec.MaxReply || r.header.Get("X-Amz-Function-Error") != "" {
		t.Errorf("the largest reply: %d bytes, error %q", len(r.body), r.header.Get("X-Amz-Function-Error"))
	}
	errType, message := do(t, b, job{Do: "reply", N: codec.MaxReply + 1}).said(t)
	if errType != "Function.ResponseSizeTooLarge" || message != "Response payload size exceeded maximum allowed payload size (6291556 bytes)." {
		t.Errorf("one byte more: %s: %s", errType, message)
	}
	if r := do(t, b, job{Do: "reply", N: 3}); r.body != "rrr" {
		t.Errorf("afterwards: %q", r.body)
	}
}

func TestThrottle(t *testing.T) {
	t.Parallel()
	b := open(t, as("handler"), local.WithConcurrency(2))
	client := sdk(t, b)
	var wg sync.WaitGroup
	var refused atomic.Bool
	defer refused.Store(true)
	for range 2 {
		wg.Go(func() {
			for !refused.Load() { // on a busy machine they may end before the third comes, or it is quicker
				do(t, b, job{Do: "sleep", N: 300})
			}
		})
	}
	var throttle *types.TooManyRequestsException
	eventually(t, "two are running, and a third is refused", func() bool {
		_, err := client.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: aws.String(b.FunctionName())})
		return errors.As(err, &throttle)
	})
	refused.Store(true)
	want := &types.TooManyRequestsException{
		Message: aws.String("Rate Exceeded."), RetryAfterSeconds: aws.String("1"), Type: aws.String("User"),
		Reason: types.ThrottleReasonReservedFunctionConcurrentInvocationLimitExceeded,
	}
	if diff := cmp.Diff(*want, *throttle, cmp.FilterPath(func(p cmp.Path) bool {
		return p.String() == "noSmithyDocumentSerde" || p.String() == "ErrorCodeOverride"
	}, cmp.Ignore())); diff != "" {
		t.Error(diff)
	}
	wg.Wait()
	if r := send(t, b, request{body: []byte("1")}); r.status != 200 {
		t.Errorf("afterwards: %d %s", r.status, r.body)
	}
}

func TestThousandInvocationsAtOnce(t *testing.T) {
	t.Parallel()
	b := open(t, as("handler"), local.WithConcurrency(2))
	client := sdk(t, b)
	var mu sync.Mutex
	counts := map[string]int{}
	var wg sync.WaitGroup
	for range 1000 {
		wg.Go(func() {
			outcome := "ok"
			_, err := client.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: aws.String(b.FunctionName()), Payload: []byte(`{"do":"sleep","n":20}`)})
			if throttle := (*types.TooManyRequestsException)(nil); errors.As(err, &throttle) {
				outcome = "throttled"
			} else if err != nil {
				outcome = err.Error()
			}
			mu.Lock()
			defer mu.Unlock()
			counts[outcome]++
		})
	}
	wg.Wait()
	if counts["ok"] < 2 || counts["ok"]+counts["throttled"] != 1000 {
		t.Errorf("outcomes: %v", counts)
	}
}

func TestDryRun(t *testing.T) {
	t.Parallel()
	b := open(t, as("exit"), local.WithConcurrency(1))
	r := send(t, b, request{body: []byte("1"), header: map[string]string{"X-Amz-Invocation-Type": "DryRun"}})
	if r.status != http.StatusNoContent || r.body != "" {
		t.Errorf("status %d, body %q", r.status, r.body)
	}
	r = send(t, b, request{path: "/2015-03-31/functions/other/invocations", header: map[string]string{"X-Amz-Invocation-Type": "DryRun"}})
	if r.status != http.StatusNotFound {
		t.Errorf("another function: status %d", r.status)
	}
}

func TestSignature(t *testing.T) {
	t.Parallel()
	b := open(t, as("handler"), local.WithConcurrency(1))
	id, _ := b.Credentials()
	set := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	for name, c := range map[string]struct {
		req  request
		code string
	}{
		"none":             {request{unsigned: true}, "MissingAuthenticationTokenException"},
		"basic":            {request{spoil: set("Authorization", "Basic eDp5")}, "IncompleteSignatureException"},
		"half":             {request{spoil: set("Authorization", "AWS4-HMAC-SHA256 Credential="+id)}, "IncompleteSignatureException"},
		"unknown key":      {request{id: "AKIAIOSFODNN7EXAMPLE"}, "UnrecognizedClientException"},
		"wrong secret":     {request{secret: "guess"}, "InvalidSignatureException"},
		"other service":    {request{service: "s3"}, "InvalidSignatureException"},
		"yesterday":        {request{at: time.Now().Add(-24 * time.Hour)}, "InvalidSignatureException"},
		"tomorrow":         {request{at: time.Now().Add(24 * time.Hour)}, "InvalidSignatureException"},
		"no date":          {request{spoil: func(r *http.Request) { r.Header.Del("X-Amz-Date") }}, "IncompleteSignatureException"},
		"other body":       {request{body: []byte("1"), spoil: func(r *http.Request) { r.Body = readCloser("2") }}, "InvalidSignatureException"},
		"other header":     {request{header: map[string]string{"X-Amz-Log-Type": "None"}, spoil: set("X-Amz-Log-Type", "Tail")}, "InvalidSignatureException"},
		"other query":      {request{spoil: func(r *http.Request) { r.URL.RawQuery = "Qualifier=$LATEST" }}, "InvalidSignatureException"},
		"other hash":       {request{header: map[string]string{"X-Amz-Content-Sha256": "0"}}, "InvalidSignatureException"},
		"added header":     {request{spoil: set("X-Amz-Invocation-Type", "DryRun")}, "InvalidSignatureException"},
		"unknown path too": {request{unsigned: true, path: "/"}, "MissingAuthenticationTokenException"},
		"too large too":    {request{secret: "guess", body: jsonString(codec.MaxRequest + 1)}, "InvalidSignatureException"},
	} {
		c.req.body = append(c.req.body, ' ')
		if name == "other body" {
			c.req.body = []byte("1")
		}
		if r := send(t, b, c.req); r.status != http.StatusForbidden || r.errorType() != c.code {
			t.Errorf("%s: %d %s, want 403 %s", name, r.status, r.errorType(), c.code)
		}
	}
	if r := send(t, b, request{body: []byte("1"), at: time.Now().Add(-4 * time.Minute)}); r.status != 200 {
		t.Errorf("a clock four minutes off: %d %s", r.status, r.body)
	}
	if r := send(t, b, request{body: []byte("1"), header: map[string]string{"X-Amz-Security-Token": "x"}}); r.status != 200 {
		t.Errorf("with a session token: %d %s", r.status, r.body)
	}
}
