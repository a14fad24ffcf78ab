package awslambda

import (
	"fmt"
	"net/http"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/lambda"

	"github.com/lambdapool/lambdapool/internal/once"
	"github.com/lambdapool/lambdapool/internal/quiet"
)

// newTransport tunes the transport of the SDK's resolved client. The second
// result says whether the transport reports, through httptrace, when a request
// gets its connection; a foreign client may not.
//
// The transport is used without the http.Client around it: Lambda does not
// redirect, and a client's timeout would cut long calls short.
func newTransport(client lambda.HTTPClient, workers int, hook func(*http.Transport)) (http.RoundTripper, bool, error) {
	var t *http.Transport
	switch c := client.(type) {
	case *awshttp.BuildableClient:
		t = c.GetTransport()
	case *http.Client:
		switch rt := c.Transport.(type) {
		case nil:
			t = awshttp.NewBuildableClient().GetTransport()
		case *http.Transport:
			t = rt.Clone()
		}
	}
	if t == nil {
		if hook != nil {
			return nil, false, fmt.Errorf("WithHTTPTransport: the aws.Config's HTTP client, a %T, has no *http.Transport to tune", client)
		}
		return foreign{client}, false, nil
	}
	once.Tune(t, workers)
	if hook != nil {
		hook(t)
	}
	once.ForceHTTP1(t)
	quiet.Transport(t)
	return t, true, nil
}

// foreign is a client that is not known to be net/http's.
type foreign struct{ lambda.HTTPClient }

func (f foreign) RoundTrip(r *http.Request) (*http.Response, error) { return f.Do(r) }

// asClient is a transport where the SDK wants a client.
type asClient struct{ http.RoundTripper }

func (c asClient) Do(r *http.Request) (*http.Response, error) { return c.RoundTrip(r) }
