package cloudrun

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/lambdapool/lambdapool/backend/cloudrun/internal/tasks"
	"github.com/lambdapool/lambdapool/driver"
	"github.com/lambdapool/lambdapool/internal/httpwire"
	"github.com/lambdapool/lambdapool/internal/once"
	"github.com/lambdapool/lambdapool/internal/quiet"
)

// dialTimeout bounds making a connection to the queue.
const dialTimeout = 30 * time.Second

// waitForInstance is how much longer than its function a delivery may take: it may wait for an instance, which may
// have to start. Source: cloud.google.com/run/docs/about-instance-autoscaling, 2026-11.
const waitForInstance = time.Minute

// queueName is what Cloud Tasks takes for the id of a queue. Source:
// cloud.google.com/tasks/docs/reference/rest/v2/projects.locations.queues, 2026-11.
var queueName = regexp.MustCompile(`^[A-Za-z0-9-]{1,100}$`)

// WithQueue has detached runs (lambdapool.MapDetached) go through this queue of Google Cloud Tasks: its name, where it
// is in the project and the region of the service, or projects/PROJECT/locations/LOCATION/queues/QUEUE. It needs
// [WithBucket]. The queue must exist:
//
//	gcloud tasks queues create lambdapool --location=europe-west1 --max-attempts=100
//
// Whoever the credentials are of needs roles/cloudtasks.enqueuer on the queue, and roles/iam.serviceAccountUser on the
// account whose ID tokens the client has, also where that is the account itself: deliveries have that account's
// ID tokens. It needs roles/run.invoker on the service, as for calls that are waited for.
//
// A call may wait six hours in the queue, and run for 29 minutes, whatever the service's timeout. How
// many run at once, and how often a failed delivery is repeated, is for the queue to say: it gives an agent
// that is busy or dies another try after a moment, up to 100 times unless it is configured otherwise.
func WithQueue(name string) Option {
	return func(o *options) error {
		if err := tasks.CheckQueue(name); err != nil && !queueName.MatchString(name) {
			return fmt.Errorf("WithQueue: %w, or its name alone", err)
		}
		o.queue = name
		return nil
	}
}

var _ driver.Detacher = (*Backend)(nil)

// newQueue makes the Detacher of WithQueue, whose deliveries have ID tokens of who. It may ask whose machine this is.
func (b *Backend) newQueue(ctx context.Context, id *identity, who actor, o *options, uri string) error {
	name := o.queue
	if !strings.Contains(name, "/") {
		if b.place.project == "" || b.place.region == "" {
			return errors.New("WithQueue: which project and region? WithProject and WithRegion say it, or the queue's full name projects/PROJECT/locations/LOCATION/queues/QUEUE")
		}
		name = fmt.Sprintf("projects/%s/locations/%s/queues/%s", b.place.project, b.place.region, name)
	}
	email, err := id.email(ctx, who)
	if err != nil {
		return fmt.Errorf("WithQueue: %w", err)
	}
	t := &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: dialTimeout}).DialContext,
		TLSHandshakeTimeout: dialTimeout,
	}
	once.Tune(t, b.Limits().Workers)
	once.ForceHTTP1(t)
	quiet.Transport(t)
	b.queueing = t
	b.queue, err = tasks.New(tasks.Config{
		Queue: name, URL: strings.TrimSuffix(uri, "/") + httpwire.InvokePath, Account: email, Tokens: id.Found.TokenSource,
		Audience: cmp.Or(o.audience, uri), Endpoint: id.At.Tasks, Transport: t,
		Deadline: min(tasks.MaxDeadline, b.Limits().Timeout+waitForInstance), Wait: waitForInstance,
	})
	if err != nil {
		return fmt.Errorf("WithQueue: %w", err)
	}
	return nil
}

var errNoQueue = errors.New("no queue was named for calls that nobody waits for")

const hintQueue = "name one with cloudrun.WithQueue (queue=NAME in the URL), and a bucket"

// CanDetach says why there can be no detached runs, or nil: they need [WithQueue]. It is for executors, and does
// not block.
func (b *Backend) CanDetach() error {
	if b.queue == nil {
		return &driver.InvokeError{Outcome: driver.OutcomeNotRun, Kind: driver.ErrBadArguments, Err: errNoQueue, Permanent: true, Hint: hintQueue}
	}
	return nil
}

// InvokeEvent makes one attempt to queue the request with Cloud Tasks, and returns the task's id. The same bytes are
// queued once, for as long as Cloud Tasks remembers them. It delivers a request at least once, and again after
// an agent was busy or died. Detached runs are built on it and keep account: programs use
// lambdapool.MapDetached instead.
//
// It blocks until the queue has answered, 45 seconds at most. Every error is a [driver.InvokeError].
// OutcomeNotRun means that it is not queued, OutcomeUnknown that it may be. A payload above
// EventLimits.Request is refused with ErrTooLarge, a closed backend with ErrClosed, one without [WithQueue]
// with ErrBadArguments.
func (b *Backend) InvokeEvent(ctx context.Context, req *driver.Request) (string, error) {
	if b.closed.Load() {
		return "", &driver.InvokeError{
			Outcome: driver.OutcomeNotRun, Kind: driver.ErrClosed, Permanent: true, Hint: "invoke before Close",
			Err: fmt.Errorf("the backend for %s is closed", b.place.service),
		}
	}
	if err := b.CanDetach(); err != nil {
		return "", err
	}
	return b.queue.InvokeEvent(ctx, req)
}

// EventLimits returns what the queue does: some 72 KB per request, six hours in the queue, and as many
// deliveries as queues make by default. Without [WithQueue] it is zero.
//
// Source: https://cloud.google.com/tasks/docs/quotas, 2026-11.
func (b *Backend) EventLimits() driver.EventLimits {
	if b.queue == nil {
		return driver.EventLimits{}
	}
	return b.queue.EventLimits()
}
