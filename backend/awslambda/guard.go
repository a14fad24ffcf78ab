package awslambda

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
)

const (
	// guardMargin is what a reply may take beyond the function's timeout: a
	// cold start, which Lambda does not count, and the way there and back.
	guardMargin = 45 * time.Second

	// lookupTimeout bounds the reading of the function's configuration.
	lookupTimeout = 30 * time.Second
)

// A guard gives up on a call when its reply cannot come any more: the
// function's timeout is over, and a margin. Without it a connection that was
// lost without a trace would hold its call for ever.
type guard struct {
	margin time.Duration
	lookup func() time.Duration // the function's timeout; may block
	once   sync.Once
	limit  time.Duration
}

// A noReplyError is the cause with which the guard cancels a call.
type noReplyError struct{ limit, margin time.Duration }

func (e *noReplyError) Error() string {
	if e.limit == 0 {
		return fmt.Sprintf("no answer within %v: the connection was lost without a trace", e.margin)
	}
	return fmt.Sprintf("no reply within the function's timeout of %v and %v more: the connection was lost without a trace", e.limit, e.margin)
}

// watch returns a context that ends at the latest when the reply is overdue.
// The function's timeout is looked up when the margin is over, so that short
// calls cost a timer and no request.
func (g *guard) watch(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	timer := time.AfterFunc(g.margin, func() { g.expire(ctx, cancel) })
	return ctx, func() {
		timer.Stop()
		cancel(nil)
	}
}

func (g *guard) expire(ctx context.Context, cancel context.CancelCauseFunc) {
	start := time.Now()
	g.once.Do(func() { g.limit = g.lookup() })
	timer := time.NewTimer(g.limit - time.Since(start))
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
		cancel(&noReplyError{g.limit, g.margin})
	}
}

// functionTimeout reads the timeout from the function's configuration, with
// the SDK's own retries. A caller who may invoke a function need not be
// allowed to read its configuration; then the longest timeout is assumed.
func (b *Backend) functionTimeout(life context.Context, cfg aws.Config) func() time.Duration {
	return func() time.Duration {
		ctx, cancel := context.WithTimeout(life, lookupTimeout)
		defer cancel()
		client := lambda.NewFromConfig(cfg, func(o *lambda.Options) { o.HTTPClient = asClient{b.transport} })
		in := &lambda.GetFunctionConfigurationInput{FunctionName: &b.target.name}
		if b.target.qualifier != "" {
			in.Qualifier = &b.target.qualifier
		}
		out, err := client.GetFunctionConfiguration(ctx, in)
		if err != nil || out.Timeout == nil || *out.Timeout <= 0 {
			return maxFunctionTimeout
		}
		return time.Duration(*out.Timeout) * time.Second
	}
}
