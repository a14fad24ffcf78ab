package awslambda

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// A template is the request that every call makes, except for its payload,
// time and signature. The SDK's own client builds it, once: it resolves the
// endpoint, escapes the path and sets the headers, in the same code that it
// would run for each call. Doing that per call costs 300 allocations and more
// CPU than everything else here together (bench/client has the numbers).
type template struct {
	made   http.Request // but for the header
	url    *url.URL
	header http.Header

	signer signer

	inLambda bool
}

// errPrepared stops the SDK's client when the request is ready to be signed.
var errPrepared = errors.New("request prepared")

// prepare does no network I/O.
func prepare(ctx context.Context, cfg aws.Config, t target, o options) (*template, error) {
	in := &lambda.InvokeInput{FunctionName: &t.name, Payload: []byte(`""`)}
	if t.qualifier != "" {
		in.Qualifier = &t.qualifier
	}
	if o.tenant != "" {
		in.TenantId = &o.tenant
	}
	if o.logTail {
		in.LogType = types.LogTypeTail
	}
	tmpl := &template{signer: signer{sdk: v4.NewSigner()}}
	client := lambda.NewFromConfig(cfg, func(lo *lambda.Options) {
		lo.HTTPSignerV4 = tmpl
		lo.Retryer = aws.NopRetryer{}
		// The real ones are fetched when they are first needed.
		lo.Credentials = credentials.NewStaticCredentialsProvider("none", "none", "")
	})
	switch _, err := client.Invoke(ctx, in); {
	case errors.Is(err, errPrepared):
	case err != nil:
		return nil, err
	default:
		return nil, errors.New("the aws.Config's middleware answered the call itself")
	}
	_, tmpl.inLambda = os.LookupEnv("AWS_LAMBDA_FUNCTION_NAME")
	return tmpl, nil
}

// SignHTTP stands in for the signer while the SDK prepares the request.
func (t *template) SignHTTP(_ context.Context, _ aws.Credentials, r *http.Request, _, service, region string, _ time.Time, opts ...func(*v4.SignerOptions)) error {
	u := *r.URL
	t.url = &u
	t.made = http.Request{Method: r.Method, URL: t.url, Host: r.Host, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}
	t.signer.service, t.signer.region, t.signer.options = service, region, opts
	t.header = r.Header.Clone()
	for name := range t.header {
		// Written by net/http, by the signer, or about the SDK's own retries.
		if name == "Content-Length" || name == "X-Amz-Date" || name == "X-Amzn-Trace-Id" ||
			strings.HasPrefix(name, "Amz-Sdk-") {
			delete(t.header, name)
		}
	}
	return errPrepared
}

// request is the call's own copy of the prepared request, without a body. Its URL and the values
// of its header are shared: nobody writes to them.
func (t *template) request(ctx context.Context) *http.Request {
	r := t.made.WithContext(ctx)
	// Three more for the signature. Eight are what the smallest map holds.
	r.Header = make(http.Header, len(t.header)+3)
	maps.Copy(r.Header, t.header)
	if t.inLambda {
		t.trace(ctx, r)
	}
	return r
}

// trace passes on the trace of the invocation that this process is serving:
// Lambda stops functions that call each other in circles by it. The SDK's
// middleware does that for its own client.
func (t *template) trace(ctx context.Context, r *http.Request) {
	stop := middleware.BuildHandlerFunc(func(context.Context, middleware.BuildInput) (middleware.BuildOutput, middleware.Metadata, error) {
		return middleware.BuildOutput{}, middleware.Metadata{}, nil
	})
	in := middleware.BuildInput{Request: &smithyhttp.Request{Request: r}}
	// It fails for requests of another type only.
	_, _, _ = (&awsmiddleware.RecursionDetection{}).HandleBuild(ctx, in, stop)
}
