package awslambda

import (
	"context"
	"fmt"
	"net/http"
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
//
// Where the transport can cancel a request by itself, a guard follows all calls with one timer:
// their margins end in the order in which they were sent. Elsewhere it gives each a context of
// its own, which costs nine allocations.
type guard struct {
	margin time.Duration
	lookup func() time.Duration // the function's timeout; may block
	once   sync.Once
	limit  time.Duration

	cancel func(*http.Request) // nil: by contexts

	mu          sync.Mutex
	first, last *followed
	timer       *time.Timer // set while there is a first one
}

// A followed is a request in flight. Its zero value is not in flight.
type followed struct {
	prev, next *followed
	request    *http.Request
	since      time.Time
	over       chan struct{} // closed when it has ended; nil until the margin is over
	overdue    *noReplyError // why it was given up
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
	timer := time.AfterFunc(g.margin, func() {
		g.expire(ctx.Done(), func(e *noReplyError) { cancel(e) })
	})
	return ctx, func() {
		timer.Stop()
		cancel(nil)
	}
}

// expire runs when a call has lasted for the margin. It waits for what is left of the function's
// timeout, and gives the call up then.
func (g *guard) expire(over <-chan struct{}, giveUp func(*noReplyError)) {
	start := time.Now()
	g.once.Do(func() { g.limit = g.lookup() })
	timer := time.NewTimer(g.limit - time.Since(start))
	defer timer.Stop()
	select {
	case <-over:
	case <-timer.C:
		giveUp(&noReplyError{g.limit, g.margin})
	}
}

// follow gives r up when its reply is overdue. [guard.leave] ends that.
func (g *guard) follow(f *followed, r *http.Request) {
	f.request, f.since = r, time.Now()
	g.mu.Lock()
	defer g.mu.Unlock()
	if f.prev = g.last; f.prev != nil {
		f.prev.next = f
	} else {
		g.first = f
		g.ring(g.margin)
	}
	g.last = f
}

// leave takes a request out that has ended, whether it was followed or not, and returns why it
// was given up, if it was.
func (g *guard) leave(f *followed) *noReplyError {
	if f.request == nil {
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if f.over == nil {
		g.unlink(f)
	} else {
		close(f.over)
	}
	f.request = nil
	return f.overdue
}

// unlink takes f out of those whose margin is not over. g.mu is held.
func (g *guard) unlink(f *followed) {
	if f.prev != nil {
		f.prev.next = f.next
	} else {
		g.first = f.next
	}
	if f.next != nil {
		f.next.prev = f.prev
	} else {
		g.last = f.prev
	}
	f.prev, f.next = nil, nil
}

// ring has the margins looked at after d. g.mu is held.
func (g *guard) ring(d time.Duration) {
	if g.timer == nil {
		g.timer = time.AfterFunc(d, g.look)
	} else {
		g.timer.Reset(d)
	}
}

// look finds the requests whose margin is over.
func (g *guard) look() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for g.first != nil {
		f := g.first
		if left := g.margin - time.Since(f.since); left > 0 {
			g.ring(left)
			return
		}
		g.unlink(f)
		f.over = make(chan struct{})
		go g.late(f, f.request, f.over)
	}
}

// late waits for what is left of the function's timeout, and cancels the request then.
func (g *guard) late(f *followed, r *http.Request, over <-chan struct{}) {
	g.expire(over, func(e *noReplyError) {
		g.mu.Lock()
		f.overdue = e
		g.mu.Unlock()
		again := time.NewTicker(time.Second) // the transport may not know it yet
		defer again.Stop()
		for {
			g.cancel(r)
			select {
			case <-over:
				return
			case <-again.C:
			}
		}
	})
}

// functionTimeout reads the timeout from the function's configuration, with
// the SDK's own retries. A caller who may invoke a function need not be
// allowed to read its configuration; then the longest timeout is assumed.
func (b *Backend) functionTimeout(life context.Context, cfg aws.Config) func() time.Duration {
	return func() time.Duration {
		ctx, cancel := context.WithTimeout(life, lookupTimeout)
		defer cancel()
		client := lambda.NewFromConfig(cfg, func(o *lambda.Options) { o.HTTPClient = asClient{b.transport} })
		out, err := configurationOf(ctx, client, b.target)
		if err != nil || out.Timeout == nil || *out.Timeout <= 0 {
			return maxFunctionTimeout
		}
		return time.Duration(*out.Timeout) * time.Second
	}
}
