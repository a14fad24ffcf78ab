package local_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/lambdapool/lambdapool/backend/local"
)

// A client of another service that is led here hears so, in its own language, and not that
// what it asks for does not exist.
func TestOtherServices(t *testing.T) {
	t.Parallel()
	s, _ := openServer(t)
	b := open(t, as("handler"), local.WithConcurrency(1))
	for name, c := range map[string]struct {
		of          endpoint
		req         request
		want        string
		contentType string
	}{
		"S3":           {s, request{method: "GET", path: "/bucket/key", service: "s3"}, "<Error><Code>NotImplemented</Code><Message>lambdapool: local: there is no such service here: s3 (this endpoint serves lambda, iam, sts, logs; if there is a bucket beside it, AWS_ENDPOINT_URL_S3 says where)</Message>", "text/xml"},
		"S3 with link": {s, request{method: "GET", path: "/bucket/key?X-Amz-Credential=AKIA%2F20261128%2Fus-east-1%2Fs3%2Faws4_request", unsigned: true}, "there is no such service here: s3", "text/xml"},
		"S3 by host":   {s, request{method: "GET", path: "/key", unsigned: true, spoil: func(r *http.Request) { r.Host = "bucket.s3.us-east-1.example" }}, "there is no such service here: s3", "text/xml"},
		"JSON":         {s, request{path: "/", service: "dynamodb", header: map[string]string{"X-Amz-Target": "DynamoDB_20120810.ListTables"}, body: []byte("{}")}, `"__type":"NotImplemented","message":"lambdapool: local: there is no such service here: dynamodb`, "application/x-amz-json-1.1"},
		"query":        {s, request{path: "/", service: "sqs", header: map[string]string{"Content-Type": "application/x-www-form-urlencoded"}, body: []byte("Action=ListQueues")}, "<Code>NotImplemented</Code><Message>lambdapool: local: there is no such service here: sqs", "text/xml"},
		"REST":         {s, request{method: "GET", path: "/2020-05-31/distribution", service: "cloudfront"}, "there is no such service here: cloudfront", "application/json"},
		"one function": {b, request{path: "/", service: "iam", body: []byte("Action=ListRoles")}, "there is no such service here: iam (this endpoint serves lambda)", "application/json"},
	} {
		r := send(t, c.of, c.req)
		if r.status != http.StatusNotImplemented || !strings.Contains(r.body, c.want) || r.header.Get("Content-Type") != c.contentType {
			t.Errorf("%s: %d %s %s, want 501 %s with %s", name, r.status, r.header.Get("Content-Type"), r.body, c.contentType, c.want)
		}
	}
}

// environ reads what an agent has said of its environment.
func environ(t *testing.T, said string) map[string]string {
	t.Helper()
	var list []string
	if err := json.Unmarshal([]byte(said), &list); err != nil {
		t.Fatalf("%v in %s", err, said)
	}
	env := map[string]string{}
	for _, v := range list {
		name, value, _ := strings.Cut(v, "=")
		env[name] = value
	}
	return env
}

// What Lambda has and the embedded one has not is refused by its name, whatever is asked for.
func TestOperationsThatAreNotServed(t *testing.T) {
	t.Parallel()
	s, _ := openServer(t)
	b := open(t, as("handler"), local.WithConcurrency(1))
	for path, want := range map[string]string{
		"POST /2021-10-31/functions/demo/url":                             "no operation CreateFunctionUrlConfig (POST /2021-10-31/functions/demo/url): the embedded Lambda does not have it: functions have no URLs here",
		"GET /2021-10-31/functions/demo/urls":                             "ListFunctionUrlConfigs",
		"POST /2015-03-31/event-source-mappings":                          "no operation CreateEventSourceMapping (POST /2015-03-31/event-source-mappings): the embedded Lambda does not have it: nothing here sends events",
		"GET /2015-03-31/event-source-mappings/":                          "ListEventSourceMappings",
		"GET /2019-09-30/functions/demo/provisioned-concurrency":          "GetProvisionedConcurrencyConfig",
		"GET /2019-09-30/functions/demo/provisioned-concurrency?List=ALL": "ListProvisionedConcurrencyConfigs",
		"POST /2014-11-13/functions/demo/invoke-async":                    "use Invoke with invocation type Event",
		"GET /2020-06-30/functions/demo/code-signing-config":              "no operation GetFunctionCodeSigningConfig",
		"PATCH /2015-03-31/functions/demo":                                "no operation at PATCH /2015-03-31/functions/demo",
		"GET /2015-03-31/functions/demo/configuration/everything":         "no operation at GET",
	} {
		method, path, _ := strings.Cut(path, " ")
		r := send(t, s, request{method: method, path: path})
		if r.status != http.StatusNotImplemented || r.errorType() != "UnknownOperationException" || !strings.Contains(r.body, want) {
			t.Errorf("%s %s: %d %s %s, want %q", method, path, r.status, r.errorType(), r.body, want)
		}
	}
	r := send(t, b, request{method: "GET", path: "/2015-03-31/functions/lambdapool"})
	if r.status != http.StatusNotImplemented || !strings.Contains(r.body, "no operation GetFunction (") {
		t.Errorf("of one function: %d %s", r.status, r.body)
	}
}

// The scope of a signature says which service it is good for.
func TestSigningService(t *testing.T) {
	t.Parallel()
	s, c := openServer(t)
	c.create(t, newFunction("demo", script("one")))
	for _, q := range []request{
		{method: "GET", path: "/2015-03-31/functions/demo", service: "iam"},
		{path: "/2015-03-31/functions/demo/invocations", service: "logs"},
	} {
		r := send(t, s, q)
		if r.status != http.StatusForbidden || r.errorType() != "InvalidSignatureException" || !strings.Contains(r.body, "Credential should be scoped to correct service: 'lambda'.") {
			t.Errorf("%s signed for %s: %d %s", q.path, q.service, r.status, r.body)
		}
	}
	if r := send(t, s, request{path: "/", service: "lambda", body: []byte("Action=ListRoles")}); r.status != http.StatusNotImplemented {
		t.Errorf("IAM's operation for Lambda: %d %s", r.status, r.body)
	}
}

func TestMemberNamesAreCaseSensitive(t *testing.T) {
	t.Parallel()
	s, c := openServer(t)
	c.create(t, newFunction("demo", script("one")))
	r := send(t, s, request{
		method: "PUT", path: "/2015-03-31/functions/demo/configuration", region: "us-east-1",
		body: []byte(`{"memorysize":512,"MemorySize":256,"timeout":9,"Environment":{"variables":{"A_B":"1"}},"LoggingConfig":{"logFormat":"JSON"}}`),
	})
	if r.status != http.StatusOK {
		t.Fatalf("%d %s", r.status, r.body)
	}
	out, err := c.GetFunctionConfiguration(t.Context(), &lambda.GetFunctionConfigurationInput{FunctionName: name})
	if err != nil || *out.MemorySize != 256 || *out.Timeout != 3 || out.Environment != nil || out.LoggingConfig.LogFormat != "Text" {
		t.Errorf("%+v, %v", out, err)
	}
	r = send(t, s, request{
		path: "/", service: "logs", header: map[string]string{"X-Amz-Target": "Logs_20140328.DescribeLogGroups"}, body: []byte(`{"Limit":-1}`),
	})
	if r.status != http.StatusOK {
		t.Errorf("an unknown member: %d %s", r.status, r.body)
	}
	r = send(t, s, request{method: "POST", path: "/2015-03-31/functions", body: []byte(`{"functionName":"other","Role":"` + roleARN + `"}`)})
	if r.status != http.StatusBadRequest || !strings.Contains(r.body, "'functionName'") {
		t.Errorf("a name that is not said: %d %s", r.status, r.body)
	}
}

// Agents have the credentials of a role, as on Lambda. They are good at the embedded endpoint,
// with their token, until the function is gone.
func TestAgentsHaveCredentials(t *testing.T) {
	t.Parallel()
	s, c := openServer(t)
	c.create(t, handlerFunction("demo"))
	_, said := c.call(t, "demo", `{"do":"env"}`)
	env := environ(t, said)
	as := func(token string) *sts.Client {
		id, secret := env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"]
		return sts.New(sts.Options{
			Region: env["AWS_REGION"], BaseEndpoint: aws.String(env["AWS_ENDPOINT_URL"]), Retryer: aws.NopRetryer{},
			Credentials: credentials.NewStaticCredentialsProvider(id, secret, token),
			HTTPClient:  &http.Client{Transport: &http.Transport{DisableKeepAlives: true}},
		})
	}
	who, err := as(env["AWS_SESSION_TOKEN"]).GetCallerIdentity(t.Context(), nil)
	if err != nil || *who.Arn != "arn:aws:sts::000000000000:assumed-role/agent/demo" {
		t.Errorf("%+v, %v", who, err)
	}
	for _, token := range []string{"", "guess"} {
		_, err := as(token).GetCallerIdentity(t.Context(), nil)
		refused(t, err, "InvalidClientTokenId", "The security token included in the request is invalid.")
	}
	if _, err := c.DeleteFunction(t.Context(), &lambda.DeleteFunctionInput{FunctionName: name}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the credentials are revoked", func() bool {
		_, err := as(env["AWS_SESSION_TOKEN"]).GetCallerIdentity(t.Context(), nil)
		return err != nil && strings.Contains(err.Error(), "InvalidClientTokenId")
	})
	if _, secret := s.Credentials(); strings.Contains(said, secret) {
		t.Error("an agent has the secret of its callers")
	}
}

// Who leads agents to other credentials does not find these before them.
func TestAgentsMayHaveOtherCredentials(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"AWS_PROFILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"} {
		b := open(t, local.WithConcurrency(1), local.WithEnv(map[string]string{agentKind: "handler", name: "/some"}))
		env := environ(t, do(t, b, job{Do: "env"}).body)
		for _, unset := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL"} {
			if value, set := env[unset]; set {
				t.Errorf("with %s: %s=%s", name, unset, value)
			}
		}
	}
}
