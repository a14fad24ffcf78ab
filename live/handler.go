package live

import (
	"context"
	_ "embed" // the parts of the page
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"time"
)

var (
	//go:embed page.html
	pageHTML []byte
	//go:embed page.css
	pageStyle []byte
	//go:embed page.js
	pageScript []byte
)

// policy lets the page load its own style and script, talk to this server, and nothing else.
const policy = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// writeTimeout is how long a browser may take to read one state.
const writeTimeout = 10 * time.Second

// newHandler serves the page under its token, and nothing elsewhere.
func newHandler(w *watch, token string) http.Handler {
	mux := http.NewServeMux()
	file := func(path, kind string, content []byte) {
		mux.HandleFunc("GET /"+token+"/"+path, func(out http.ResponseWriter, _ *http.Request) {
			out.Header().Set("Content-Type", kind+"; charset=utf-8")
			_, _ = out.Write(content) // the browser has gone
		})
	}
	file("{$}", "text/html", pageHTML)
	file("page.css", "text/css", pageStyle)
	file("page.js", "text/javascript", pageScript)
	mux.HandleFunc("GET /"+token+"/events", w.events)
	do := func(path string, change func(context.Context, string)) {
		mux.HandleFunc("POST /"+token+"/"+path, func(out http.ResponseWriter, r *http.Request) {
			change(r.Context(), r.PathValue("id"))
			out.WriteHeader(http.StatusNoContent)
		})
	}
	do("detached", func(ctx context.Context, _ string) { w.list(ctx) })
	do("detached/{id}/cancel", w.cancel)
	do("detached/{id}/retry", w.retry)
	mux.Handle("GET /"+token+"/metrics", &w.metrics)
	return guarded(mux)
}

// guarded refuses requests that no browser sends which shows the page: names that lead here by a
// forged DNS answer, and other sites' pages.
func guarded(next http.Handler) http.Handler {
	sameOrigin := http.NewCrossOriginProtection().Handler(next)
	return http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		h := out.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = r.Host
		}
		if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			http.Error(out, "this page is for the machine that it runs on", http.StatusForbidden)
			return
		}
		sameOrigin.ServeHTTP(out, r)
	})
}

// events sends the state whenever it may have changed, as server-sent events, until the page ends.
func (w *watch) events(out http.ResponseWriter, r *http.Request) {
	out.Header().Set("Content-Type", "text/event-stream")
	to := http.NewResponseController(out)
	for {
		news := w.waiting()
		ended := false
		select {
		case <-w.done:
			ended = true
		default:
		}
		data, err := json.Marshal(w.view(ended))
		if err != nil {
			return // it has only what can be marshaled
		}
		_ = to.SetWriteDeadline(time.Now().Add(writeTimeout))
		if _, err := fmt.Fprintf(out, "data: %s\n\n", data); err != nil || to.Flush() != nil || ended {
			return
		}
		select {
		case <-news:
		case <-r.Context().Done():
			return
		}
	}
}

// waiting returns a channel that is closed when there may be news.
func (w *watch) waiting() <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.news
}

// changed wakes those who wait for news.
func (w *watch) changed() {
	w.mu.Lock()
	defer w.mu.Unlock()
	close(w.news)
	w.news = make(chan struct{})
}
