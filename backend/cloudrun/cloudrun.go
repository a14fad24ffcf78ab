package cloudrun

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"github.com/lambdapool/lambdapool/backend/cloudrun/internal/gcs"
	"github.com/lambdapool/lambdapool/backend/cloudrun/internal/tasks"
	"github.com/lambdapool/lambdapool/backend/httpagent"
	"github.com/lambdapool/lambdapool/driver"
	"github.com/lambdapool/lambdapool/internal/googleapi"
	"github.com/lambdapool/lambdapool/internal/nested"
	"github.com/lambdapool/lambdapool/price"
)

// granularity is what Cloud Run rounds billed time up to, with request-based billing
// (cloud.google.com/run/pricing, 2026-11).
const granularity = 100 * time.Millisecond

// wait is how long a request waits for an instance before it is refused, or 3.5 times the mean start of one, if that
// is longer (cloud.google.com/run/docs/about-instance-autoscaling, 2026-11).
const wait = 10 * time.Second

// A Backend sends requests to one Cloud Run service. Make it with [New], and close it when no executor uses
// it any more. It is safe for concurrent use, and several executors may share it.
type Backend struct {
	agents   *httpagent.Backend
	tokens   *tokens // nil: everybody may invoke the service
	client   *http.Client
	end      context.CancelFunc
	place    place
	account  string          // whose tokens they are, if an option has said it
	memory   int64           // bytes, of an instance; 0: not known
	perGBs   float64         // US dollars, see perGBSecond
	bucket   *gcs.Store      // of WithBucket, or nil
	queue    *tasks.Queue    // of WithQueue, or nil
	queueing *http.Transport // its
	closed   atomic.Bool

	postmortem *postmortem
}

var _ driver.Backend = (*Backend)(nil)

// New makes a backend for a Cloud Run service: NAME, with [WithProject] and [WithRegion], or
// projects/PROJECT/locations/REGION/services/NAME.
//
// It blocks while it finds the credentials and looks up the service: one request each, until ctx ends.
// With [WithURL] it asks for nothing. It mints no token: that the account may not invoke the service
// shows at the first Invoke.
//
// It returns an error for a bad name or option, and for credentials that can mint no ID tokens: it says
// which command helps. What the Admin API refuses wraps driver.ErrFunctionNotFound or
// driver.ErrAccessDenied, and driver.ErrUnreachable says that it did not answer.
func New(ctx context.Context, service string, opts ...Option) (*Backend, error) {
	o, err := collect(opts)
	if err != nil {
		return nil, fmt.Errorf("lambdapool: open Cloud Run service: %w", err)
	}
	p, err := locate(service, &o)
	if err != nil {
		return nil, fmt.Errorf("lambdapool: open Cloud Run service: %w", err)
	}
	b, err := open(ctx, p, o)
	if err != nil {
		return nil, fmt.Errorf("lambdapool: open Cloud Run service %s: %w", p.service, err)
	}
	return b, nil
}

func open(ctx context.Context, p place, o options) (_ *Backend, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	life, end := context.WithCancel(context.Background())
	b := &Backend{client: googleapi.NewClient(life), end: end, place: p, account: o.account}
	defer func() {
		if err != nil {
			_ = b.Close()
		}
	}()
	opening := context.AfterFunc(ctx, end) // x/oauth2 asks without a context
	defer opening()
	found, err := googleapi.Find(ctx, b.client, googleapi.At(o.endpoint))
	if err != nil {
		return nil, err
	}
	id := &identity{found}
	b.place.project = cmp.Or(p.project, id.Found.ProjectID)
	b.postmortem = &postmortem{id: id, place: b.place, patience: logPatience, quiet: logQuiet}
	err = b.join(ctx, id, o)
	if err == nil && !opening() {
		err = ctx.Err() // which has ended what is needed later
	}
	return b, err
}

// join brings together what the service and its neighbours need.
func (b *Backend) join(ctx context.Context, id *identity, o options) (err error) {
	s := &service{URI: o.url}
	b.perGBs = perGBSecond(defaultCPUs, defaultMemory)
	if o.url == "" {
		if b.place.project == "" || b.place.region == "" {
			return errors.New("which project and region? WithProject and WithRegion (project=…&region=… in the URL) say it, or its full name projects/PROJECT/locations/REGION/services/NAME")
		}
		if err := b.deployed(ctx, &o); err != nil {
			return err
		}
		if s, err = id.lookUp(ctx, b.place); err != nil {
			return cmp.Or(ctx.Err(), err)
		}
		b.memory, b.perGBs = s.memory(), perGBSecond(s.cpus(), s.memory())
		o.workers = cmp.Or(o.workers, s.workers())
		o.timeout = cmp.Or(o.timeout, s.timeout())
	}
	var forward []httpagent.Option
	var who actor
	if !s.Unchecked || o.bucket != nil || o.queue != "" {
		if who, err = id.actor(ctx, o.account); err != nil {
			return err
		}
	}
	if !s.Unchecked {
		mint, err := id.minter(ctx, who, cmp.Or(o.audience, s.URI))
		if err != nil {
			return err
		}
		b.tokens = newTokens(mint)
		forward = append(forward, httpagent.WithTokenSource(b.tokens))
	}
	if o.bucket != nil {
		if b.bucket, err = newBucket(ctx, id, who, &o); err != nil {
			return fmt.Errorf("WithBucket: %w", err)
		}
		o.store = b.bucket
	}
	at := s.URI
	if o.tag != "" {
		o.audience = cmp.Or(o.audience, s.URI)
		if at, err = s.tagged(o.tag); err != nil {
			return err
		}
	}
	if b.agents, err = httpagent.New(ctx, at, append(forward, o.forwarded()...)...); err != nil || o.queue == "" {
		return err
	}
	return b.newQueue(ctx, id, who, &o, at)
}

// forwarded are the options that are httpagent's.
func (o *options) forwarded() (forward []httpagent.Option) {
	if o.workers > 0 {
		forward = append(forward, httpagent.WithWorkers(o.workers))
	}
	if o.timeout > 0 {
		forward = append(forward, httpagent.WithTimeout(o.timeout))
	}
	if o.store != nil {
		forward = append(forward, httpagent.WithStore(o.store))
	}
	if o.transport != nil {
		forward = append(forward, httpagent.WithHTTPTransport(o.transport))
	}
	return forward
}

// Limits returns what the service can carry, as it was when New looked it up. No law of growth is
// known: see the package's comment.
func (b *Backend) Limits() driver.Limits {
	limits := b.agents.Limits()
	limits.Granularity, limits.Wait = granularity, wait
	limits.PerGBSecond, limits.PerRequest = b.perGBs, price.CloudRun().PerMillionRequests/1e6
	return limits
}

// Close closes idle connections and ends requests for tokens. Later calls fail with [driver.ErrClosed].
// Calls in flight go on. It does not block for more than a moment, always returns nil, and a second Close does
// nothing. Neither the service nor the store of
// [WithStore] are closed.
func (b *Backend) Close() error {
	b.closed.Store(true)
	if b.agents != nil {
		_ = b.agents.Close() // first: then nobody asks for tokens any more
	}
	b.end()
	if b.tokens != nil {
		b.tokens.Close()
	}
	if b.bucket != nil {
		b.bucket.Close()
	}
	if b.queueing != nil {
		b.queueing.CloseIdleConnections()
	}
	b.client.CloseIdleConnections()
	return nil
}

// Invoke makes one attempt: one POST, and one more only if the first was refused for its token
// and cannot have run. It is for executors; programs use package lambdapool.
//
// It blocks until the answer, ctx ends, or 45 seconds have passed beyond the timeout. Every error is a
// [driver.InvokeError], whose Outcome says whether the function ran: package httpagent has the table. After a
// bare 503, one such call at a time waits up to three seconds more for what Cloud Run's log says of it, where
// the credentials may read that (roles/logging.viewer): the error's Hint and LogTail have it.
func (b *Backend) Invoke(ctx context.Context, req *driver.Request) (*driver.Response, error) {
	sent := time.Now()
	response, err := b.agents.Invoke(ctx, req)
	if err != nil {
		return nil, b.explain(ctx, err, sent)
	}
	response.MemoryLimit = b.memory
	return response, nil
}

// explain says what to do about a failure on Cloud Run. What it means is httpagent's to say.
func (b *Backend) explain(ctx context.Context, err error, sent time.Time) error {
	e, ok := errors.AsType[*driver.InvokeError](err)
	if !ok {
		return err
	}
	switch {
	case errors.Is(e.Kind, driver.ErrAccessDenied):
		who := cmp.Or(b.account, "the account of the credentials")
		if os.Getenv(nested.CloudRunVariable) != "" { // a function calls
			who = "the account that the service runs as"
		}
		e.Hint = fmt.Sprintf("%s needs roles/run.invoker on the service: `gcloud run services add-iam-policy-binding %s --member=serviceAccount:EMAIL --role=roles/run.invoker`; the audience of its tokens must be the service's URL, or one of its custom audiences: WithAudience",
			who, b.place.service)
	case errors.Is(e.Kind, driver.ErrFunctionNotFound):
		e.Hint = "there is no such service at its URL, or its ingress does not let this network in, or its container is not an agent"
	case errors.Is(e.Kind, driver.ErrThrottled):
		e.Hint = "all instances were busy: let the service have more of them, or lower the number of workers"
	case errors.Is(e.Kind, driver.ErrTooLarge):
		e.Hint = "send less per call, or let large payloads travel through a bucket: cloudrun.WithBucket"
	case errors.Is(e.Kind, driver.ErrUnknownOutcome), errors.Is(e.Kind, driver.ErrTimeout):
		if answer, ok := errors.AsType[*httpagent.AnswerError](err); ok && answer.Status == http.StatusServiceUnavailable && !answer.Agent {
			if said, ok := b.postmortem.of(ctx, e.RequestID, sent); ok {
				said.tell(e)
			}
		}
		if link := b.logLink(e.RequestID); link != "" {
			e.Hint += "; its log is at " + link
		}
	}
	return err
}
