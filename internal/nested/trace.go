package nested

import (
	"context"
	"strings"
)

type traceKey struct{}

// WithTrace returns ctx with a traceparent of W3C Trace Context, or ctx as it is if parent is none.
func WithTrace(ctx context.Context, parent string) context.Context {
	if !isTrace(parent) {
		return ctx
	}
	return context.WithValue(ctx, traceKey{}, parent)
}

// Trace gives the scope a traceparent, unless parent is none.
func (s *Scope) Trace(parent string) {
	if isTrace(parent) {
		s.trace = parent
	}
}

// Trace returns the traceparent of ctx, or "".
func Trace(ctx context.Context) string {
	parent, _ := ctx.Value(traceKey{}).(string)
	return parent
}

// longestTrace is far more than a traceparent of today has, 55 bytes: later versions may add to it.
const longestTrace = 256

// isTrace reports whether parent has the form of a traceparent: version, trace id, parent id and flags, in
// hexadecimal digits. Source: www.w3.org/TR/trace-context, 2021-11.
func isTrace(parent string) bool {
	const version, trace, span, flags = 2, 3 + 32, 36 + 16, 53 + 2 // where each ends
	if len(parent) < flags || len(parent) > longestTrace || parent[:version] == "ff" || parent[:version] == "00" && len(parent) > flags {
		return false
	}
	for i := range parent[:flags] {
		switch i {
		case version, trace, span:
			if parent[i] != '-' {
				return false
			}
		default:
			if c := parent[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
				return false
			}
		}
	}
	return strings.Trim(parent[version+1:trace], "0") != "" && strings.Trim(parent[trace+1:span], "0") != "" &&
		(len(parent) == flags || parent[flags] == '-')
}
