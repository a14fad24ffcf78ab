package local

import (
	"log/slog"
	"net/http"
	"time"
)

// newServer makes the server of both APIs. It sets no limit on how long an
// answer takes: a run takes up to 15 minutes, and an idle agent waits for ever.
// Nor does it close idle connections: a request on its way to one would be lost.
func newServer(handler http.Handler, logger *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 10 * time.Second,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelDebug),
	}
}
