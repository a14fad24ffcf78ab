//go:build !lambdapool.nohttp

package agent

import (
	"net/http"
	"time"
)

// HTTPHandler is what answers requests to an agent behind HTTP with that timeout.
func HTTPHandler(h *Handler, timeout time.Duration) http.Handler {
	return newHTTPServer(h, httpSettings{timeout: timeout}).server.Handler
}
