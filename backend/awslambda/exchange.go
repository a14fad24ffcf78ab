package awslambda

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/lambdapool/lambdapool/driver"
	"github.com/lambdapool/lambdapool/internal/once"
)

// An exchange is what one request needs besides the request: one allocation instead of many.
type exchange struct {
	body     once.Body
	delivery once.Delivery
	values   signature
	signing  patience
	followed followed
}

// send sends the payload at most once, with the prepared header as alter leaves it,
// and reads the answer. ctx is the caller's within the guard, or the caller's if the guard can
// cancel requests.
func (b *Backend) send(caller, ctx context.Context, f *function, payload []byte, alter func(http.Header)) (*http.Response, []byte, aws.Credentials, *driver.InvokeError) {
	x := &exchange{} // not in a pool: the transport may read it for longer
	x.body.Take(payload, !b.traced)
	defer x.body.Wait()
	d := &x.delivery
	if !b.traced {
		d.Blind()
	}
	r := f.template.request(httptrace.WithClientTrace(ctx, d.Trace()))
	if !b.traced {
		u := *r.URL // what a foreign client does with it is not known
		r.URL = &u
	}
	if alter != nil {
		alter(r.Header)
	}
	r.ContentLength = int64(len(payload))
	// An event is within a context of the guard already. Contexts are not compared: a user's own type may not be comparable.
	follow := alter == nil && b.guard.cancel != nil
	signing := ctx
	if follow {
		signing = x.signing.of(ctx, b.guard)
		defer x.signing.end()
	}
	creds, ierr := b.sign(caller, signing, f.template, r, payload, alter == nil, &x.values)
	if ierr != nil {
		return nil, nil, creds, ierr
	}
	r.Body, r.GetBody = x.body.Open(), x.body.Reopen
	if follow {
		b.guard.follow(&x.followed, r)
		defer func() { _ = b.guard.leave(&x.followed) }() // when the transport panics; else it has left
	}
	resp, err := b.transport.RoundTrip(r)
	if err != nil {
		return nil, nil, creds, b.lost(caller, cmp.Or(b.guard.leave(&x.followed), overdue(ctx)), d.Outcome(), err)
	}
	b.reached.Store(true)
	resp.Request = r // not every transport says so
	data, err := once.ReadBody(resp, maxBody)
	late := b.guard.leave(&x.followed)
	if err != nil && resp.StatusCode != http.StatusAccepted { // that one's header says all
		return nil, nil, creds, b.cut(caller, cmp.Or(late, overdue(ctx)), resp, err)
	}
	return resp, data, creds, nil
}

// sign retrieves the credentials, from a cache but for the first time and when
// they expire, and signs the request with them. plain says that its headers are the template's.
func (b *Backend) sign(caller, ctx context.Context, t *template, r *http.Request, payload []byte, plain bool, values *signature) (aws.Credentials, *driver.InvokeError) {
	if b.creds == nil {
		return aws.Credentials{}, nil
	}
	creds, err := b.creds.Retrieve(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return creds, b.lost(caller, overdue(ctx), driver.OutcomeNotRun, err)
		}
		return creds, notSent(driver.ErrAccessDenied, fmt.Errorf("no AWS credentials: %w", err),
			"set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, choose a profile, or sign in again")
	}
	err = t.signer.sign(ctx, creds, r, sha256.Sum256(payload), b.clock.now(), plain, values)
	if err != nil {
		return creds, notSent(driver.ErrAccessDenied, fmt.Errorf("sign the request: %w", err), "")
	}
	return creds, nil
}

// A patience is the context of what may wait before a request is sent. It ends as that of
// [guard.watch], which is made when somebody first asks for its end: credentials that are in a
// cache do not.
type patience struct {
	context.Context // the caller's

	guard  *guard
	mu     sync.Mutex
	within context.Context // nil: nobody has asked
	stop   context.CancelFunc
}

// of sets p, which has not been used, up.
func (p *patience) of(ctx context.Context, g *guard) context.Context {
	p.Context, p.guard = ctx, g
	return p
}

func (p *patience) Done() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.within == nil {
		p.within, p.stop = p.guard.watch(p.Context)
	}
	return p.within.Done()
}

func (p *patience) Err() error { return p.now().Err() }

func (p *patience) Value(key any) any { return p.now().Value(key) }

// now is the context as it is.
func (p *patience) now() context.Context {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.within != nil {
		return p.within
	}
	return p.Context
}

// end releases what was made. The context of [guard.watch] ends with it.
func (p *patience) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stop != nil {
		p.stop()
	}
}

// overdue is why the guard has ended ctx, if it has.
func overdue(ctx context.Context) *noReplyError {
	var e *noReplyError
	errors.As(context.Cause(ctx), &e)
	return e
}

// cancels reports whether a transport of net/http cancels single requests. It does in every Go so
// far, but the documentation says that it may not in a later one. So a request that is stuck in its
// dialer is canceled, once in a process: if it fails as its dialer did, nobody has canceled it.
var cancels = sync.OnceValue(func() bool {
	dialing, failed, errDialed := make(chan struct{}), make(chan struct{}), errors.New("dialed")
	t := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		close(dialing)
		<-failed
		return nil, errDialed
	}}
	r, err := http.NewRequestWithContext(context.Background(), http.MethodGet, "http://example.com", http.NoBody)
	if err != nil {
		return false
	}
	ended := make(chan error, 1)
	go func() {
		_, err := t.RoundTrip(r)
		ended <- err
	}()
	<-dialing
	cancelRequest(t)(r)
	close(failed)
	return !errors.Is(<-ended, errDialed)
})

// cancelRequest is how requests of t are canceled.
func cancelRequest(t *http.Transport) func(*http.Request) {
	return t.CancelRequest //nolint:staticcheck // HTTP/1.1 only, and [cancels] finds out whether it works
}
