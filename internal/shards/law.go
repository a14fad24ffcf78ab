package shards

import (
	"context"

	"github.com/lambdapool/lambdapool/internal/schedule"
)

type lawKey struct{}

// WithLaw has a backend that is opened with the context count on this law for each function. It is for a platform that is
// played on this machine with a law of its own.
func WithLaw(ctx context.Context, law schedule.Law) context.Context {
	return context.WithValue(ctx, lawKey{}, law)
}

// LawOf returns the law that counts: Lambda's, unless [WithLaw] says otherwise.
func LawOf(ctx context.Context) schedule.Law {
	if law, ok := ctx.Value(lawKey{}).(schedule.Law); ok {
		return law
	}
	return schedule.LambdaLaw()
}
