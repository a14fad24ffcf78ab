package contain

import (
	"context"
	"log/slog"
)

// Logger returns l with a handler that cannot harm whoever logs. One that blocks is left out until it has returned.
func Logger(l *slog.Logger) *slog.Logger {
	if _, already := l.Handler().(*logHandler); already {
		return l
	}
	return slog.New(&logHandler{to: l.Handler(), gate: new(Gate)})
}

// A logHandler contains another one. There is nowhere left to say that it failed.
type logHandler struct {
	to   slog.Handler
	gate *Gate
}

func (h *logHandler) Enabled(ctx context.Context, level slog.Level) (enabled bool) {
	answer := make(chan bool, 1) // not a variable: a handler may answer too late
	if h.gate.Do("slog.Handler.Enabled", h.to, func() { answer <- h.to.Enabled(ctx, level) }) == nil {
		enabled = <-answer
	}
	return enabled
}

func (h *logHandler) Handle(ctx context.Context, r slog.Record) error {
	return h.gate.Do("slog.Handler.Handle", h.to, func() { _ = h.to.Handle(ctx, r) })
}

func (h *logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return h.with(func() slog.Handler { return h.to.WithAttrs(attrs) })
}

func (h *logHandler) WithGroup(name string) slog.Handler {
	return h.with(func() slog.Handler { return h.to.WithGroup(name) })
}

func (h *logHandler) with(derive func() slog.Handler) slog.Handler {
	to, err := Value(Ended, "slog.Handler", h.to, func() (slog.Handler, error) { return derive(), nil })
	if err != nil || to == nil {
		return h
	}
	return &logHandler{to: to, gate: h.gate}
}
