package httpwire_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/lambdapool/lambdapool/internal/httpwire"
)

// What Cloud Run keeps for itself never reaches a container. Source: cloud.google.com/run/docs/known-issues, 2026-11.
func TestNoPathIsThePlatforms(t *testing.T) {
	for _, path := range []string{httpwire.InvokePath, httpwire.HealthPath} {
		if !strings.HasPrefix(path, "/") || strings.HasSuffix(path, "z") || path == "/eventlog" || strings.HasPrefix(path, "/_ah/") {
			t.Errorf("%s is reserved", path)
		}
	}
}

// Proxies may write names as they like: ours are as Go sends them, so that a look into a header finds them.
func TestNamesAreCanonical(t *testing.T) {
	for _, name := range []string{httpwire.Mark, httpwire.RequestID, httpwire.Traceparent} {
		if http.CanonicalHeaderKey(name) != name {
			t.Errorf("%s is sent as %s", name, http.CanonicalHeaderKey(name))
		}
	}
	for _, name := range []string{httpwire.EnvAgent, httpwire.EnvAddress, httpwire.EnvAuth, httpwire.EnvToken, httpwire.EnvTimeout, httpwire.EnvMemory, httpwire.EnvCPU, httpwire.EnvConcurrency} {
		if !strings.HasPrefix(name, "LAMBDAPOOL_") { // PORT alone makes no agent
			t.Errorf("%s may be another program's", name)
		}
	}
}
