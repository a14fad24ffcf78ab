package runs

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io/fs"
	"iter"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lambdapool/lambdapool/driver"
	"github.com/lambdapool/lambdapool/internal/contain"
	"github.com/lambdapool/lambdapool/internal/detached"
	"github.com/lambdapool/lambdapool/internal/engine"
	"github.com/lambdapool/lambdapool/internal/failure"
	"github.com/lambdapool/lambdapool/internal/payload"
	"github.com/lambdapool/lambdapool/internal/registry"
)

const (
	// singleCalls is up to how many calls each gets an invocation of its own; more
	// are divided among as many.
	singleCalls = 10_000

	// sentInterval is how often a run says what was sent, which is also the sign of
	// life of its sender. What was sent since is sent again after a crash.
	sentInterval = time.Second

	// longestTimeout is of one invocation, where the backend does not say: AWS Lambda's.
	longestTimeout = 15 * time.Minute

	// sentStale is after how much silence a sender is taken for dead.
	sentStale = 10 * sentInterval
)

// How long detached runs live unless they say otherwise.
const (
	// defaultRetention is how long a run is kept.
	defaultRetention = 7 * 24 * time.Hour

	// defaultEventAge is how long a request may wait where the backend does not say: as
	// long as AWS Lambda keeps it.
	defaultEventAge = 6 * time.Hour
)

// A Config is what a run is made of, beside its calls. What is zero is chosen.
type Config struct {
	Name        string
	StartWithin time.Duration      // the calls may wait for an agent
	Retention   time.Duration      // the run is kept
	Resend      bool               // what no agent has begun, although the platform has accepted it
	Chunk       int                // calls of one invocation
	Parallel    int                // of them, how many run at once
	Retry       *detached.Manifest // the run whose failed calls it has; nil: it is none
	Positions   []int              // of these calls in that run
	Logs        engine.Logs        // of functions, that are recorded with the results
}

// A Submission is a detached run on its way to the platform.
type Submission struct {
	e      *engine.Executor
	fn     *registry.Function
	cfg    Config
	ctx    context.Context
	store  driver.Store
	events driver.Detacher
	limits driver.EventLimits

	m     *detached.Manifest
	begun time.Time      // this machine's clock when …
	at    time.Time      // … the store's was this
	view  *detached.View // what was there before, or nil

	unsure atomic.Bool // a request may be queued although it was not accepted

	mu   sync.Mutex
	sent detached.Sent
	news bool // since the last time it was recorded
}

func (s *Submission) failure(kind, err error, hint string) *failure.Pool {
	return failure.NotRun("start run of", s.fn.Name(), kind, err, hint)
}

// stored is the failure of the store.
func (s *Submission) stored(op string, err error) *failure.Pool {
	return failure.Invoke("start run of", s.fn.Name(), payload.Failure(op, driver.OutcomeNotRun, err))
}

// NewSubmission returns the run of fn's that is recorded in store. What is wrong with the backend is its failure.
func NewSubmission(ctx context.Context, e *engine.Executor, fn *registry.Function, store driver.Store, cfg Config) (*Submission, *failure.Pool) {
	s := &Submission{e: e, fn: fn, ctx: ctx, store: store, cfg: cfg}
	var ok bool
	if s.events, ok = e.Ground().Backend.(driver.Detacher); !ok {
		return nil, s.failure(driver.ErrBadArguments, fmt.Errorf("backend %T cannot run what nobody waits for", e.Ground().Backend), "")
	}
	if able, ok := s.events.(interface{ CanDetach() error }); ok {
		if _, err := contain.Value(ctx, "CanDetach", s.events, func() (any, error) { return nil, able.CanDetach() }); err != nil {
			if refusal := (*driver.InvokeError)(nil); errors.As(err, &refusal) {
				return nil, failure.Invoke("start run of", fn.Name(), refusal)
			}
			return nil, s.failure(driver.ErrBadArguments, err, "")
		}
	}
	var err error
	if s.limits, err = eventLimits(ctx, s.events); err != nil {
		return nil, s.failure(driver.ErrBadArguments, err, "")
	}
	if e.IsClosed() {
		return nil, s.failure(driver.ErrClosed, nil, "the executor was shut down or closed")
	}
	return s, nil
}

// eventLimits asks a backend, and refuses what makes no sense: a run whose requests wait for less than no time ends before
// it begins.
func eventLimits(ctx context.Context, b driver.Detacher) (driver.EventLimits, error) {
	return contain.Value(ctx, "EventLimits", b, func() (limits driver.EventLimits, err error) {
		limits = b.EventLimits()
		for _, l := range []struct {
			field string
			bad   bool
			value any
		}{
			{"Request", limits.Request < 0, limits.Request}, {"Age", limits.Age < 0, limits.Age}, {"Retries", limits.Retries < 0, limits.Retries},
		} {
			if l.bad {
				return limits, fmt.Errorf("EventLimits of the backend %T: %s is %v: must not be negative", b, l.field, l.value)
			}
		}
		return limits, nil
	})
}

// Prepare makes the manifest of a run of n calls, or finds it, and reports whether all of it is sent already.
func (s *Submission) Prepare(n int, args iter.Seq2[[]byte, error]) (m *detached.Manifest, sent bool, err error) {
	resumed, err := s.plan(n, args)
	return s.m, err == nil && resumed && s.view == nil, err
}

// plan makes the run's manifest, or finds it: then it reports so, and leaves the
// view of what is there unless all of it is sent.
func (s *Submission) plan(n int, args iter.Seq2[[]byte, error]) (resumed bool, err error) {
	id := s.cfg.Name
	if id == "" {
		id = time.Now().UTC().Format("20060102T150405Z") + "-" + strings.ToLower(rand.Text()[:8])
	}
	input, err := s.identify(args) // which finds what cannot be encoded, too, before anything is sent
	if err != nil {
		return false, err
	}
	var there driver.Listing
	err = s.persist(func() (err error) {
		there, err = s.store.List(s.ctx, detached.IndexKey(id), "")
		return err
	})
	if err != nil {
		return false, s.stored("look for the run", err)
	}
	s.begun, s.at = time.Now(), there.Time
	chunk := s.cfg.Chunk
	if chunk == 0 {
		chunk = max(1, (n+singleCalls-1)/singleCalls)
	}
	if n > detached.MaxCalls || (n+chunk-1)/chunk > detached.MaxChunks {
		return false, s.failure(driver.ErrBadArguments, fmt.Errorf("%d calls, %d in one invocation, are more than the %d calls or %d invocations of a run",
			n, chunk, detached.MaxCalls, detached.MaxChunks), "set a larger ChunkSize, or make several runs")
	}
	m := &detached.Manifest{
		ID: id, Func: s.fn.Name(), Shape: s.fn.Shape(), Signature: s.fn.Signature(), Fingerprint: s.fn.Fingerprint(),
		Input: input, Items: n, Chunk: chunk, Once: !s.fn.Idempotent(), Retries: s.limits.Retries, Created: s.at,
	}
	s.cfg.retries(m)
	s.m = m
	if len(there.Objects) > 0 && there.Objects[0].Key == detached.IndexKey(id) {
		return true, s.resume(n)
	}
	if err := s.schedule(m); err != nil {
		return false, err
	}
	if err := s.outlives(); err != nil {
		return false, err
	}
	body, err := m.Encode()
	if err != nil {
		return false, s.failure(driver.ErrEncode, err, "")
	}
	err = s.persist(func() error {
		return s.store.Create(s.ctx, detached.IndexKey(id), bytes.NewReader(body), int64(len(body)), sha256.Sum256(body))
	})
	switch {
	case errors.Is(err, fs.ErrExist):
		return true, s.resume(n)
	case err != nil:
		return false, s.stored("record the run", err)
	}
	return false, nil
}

// retries notes in m which calls it retries. Positions are those in the first run, also of a run that retries a retry.
func (c *Config) retries(m *detached.Manifest) {
	of := c.Retry
	if of == nil {
		return
	}
	positions := make([]int, len(c.Positions))
	for i, p := range c.Positions {
		positions[i] = of.Position(p)
	}
	m.Once, m.RetryOf, m.Positions = of.Once, cmp.Or(of.RetryOf, of.ID), detached.RangesOf(positions)
}

// schedule sets until when the run may begin, be recorded and be kept.
func (s *Submission) schedule(m *detached.Manifest) error {
	c := &s.cfg
	timeout := s.e.Ground().Limits.Timeout
	if timeout == 0 {
		timeout = longestTimeout
	}
	age := s.limits.Age
	if age == 0 {
		age = defaultEventAge
	}
	if c.StartWithin > age {
		return s.failure(driver.ErrBadArguments, fmt.Errorf("StartWithin(%v): the platform keeps no request for longer than %v", c.StartWithin, age), "")
	}
	if c.StartWithin > 0 {
		age = c.StartWithin
	}
	retention := c.Retention
	if retention == 0 {
		retention = defaultRetention
	}
	m.Timeout = detached.Duration(timeout)
	m.StartBy = m.Created.Add(age)
	m.RecordBy = m.StartBy.Add(timeout + detached.RecordMargin)
	m.KeepUntil = m.Created.Add(retention)
	if m.KeepUntil.Before(m.RecordBy) {
		return s.failure(driver.ErrBadArguments,
			fmt.Errorf("Retention(%v): results may be recorded for %v", retention, m.RecordBy.Sub(m.Created)), "keep the run longer, or have it start within less")
	}
	return nil
}

// outlives refuses a run that links signed now could not record.
func (s *Submission) outlives() error {
	until, err := s.store.LinkedUntil(s.ctx)
	if err != nil {
		return s.stored("sign links", err)
	}
	left := time.Until(until) // by this machine's clock; the run's times are the store's
	if until.IsZero() || left >= s.life(s.m.RecordBy) {
		return nil
	}
	hint := "sign in again, with credentials that last longer"
	if most := left - s.m.RecordBy.Sub(s.m.StartBy); most >= time.Minute {
		hint += fmt.Sprintf(", or allow StartWithin(%v) at most", most.Truncate(time.Minute))
	}
	return s.failure(driver.ErrStore, fmt.Errorf("the run may record results until %s, but what is signed now ends at %s, with the credentials",
		s.m.RecordBy.UTC().Format(time.RFC3339), s.m.RecordBy.Add(left-s.life(s.m.RecordBy)).UTC().Format(time.RFC3339)), hint)
}

// identify returns a hash of all encoded arguments.
func (s *Submission) identify(args iter.Seq2[[]byte, error]) (string, error) {
	h := sha256.New()
	i := 0
	for data, err := range args {
		if err != nil {
			return "", &failure.Item{Index: i, Err: failure.Problem(err)}
		}
		identifyItem(h, registry.Identity(s.fn, data))
		i++
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

func identifyItem(h hash.Hash, data []byte) {
	var size [8]byte
	binary.BigEndian.PutUint64(size[:], uint64(len(data)))
	_, _ = h.Write(size[:]) // never fails
	_, _ = h.Write(data)
}

// resume takes up the run that is there.
func (s *Submission) resume(n int) error {
	want := s.m
	var m *detached.Manifest
	var final error // that another try would not change
	err := s.persist(func() (err error) {
		var failed *failure.Pool
		if m, failed = ReadManifest(s.ctx, s.store, want.ID); failed == nil {
			return nil
		}
		if !errors.Is(failed, driver.ErrStore) {
			final = failed
			return nil
		}
		return failed
	})
	if final != nil || err != nil {
		return cmp.Or(final, err)
	}
	s.m = m
	other := ""
	switch {
	case m.Func != want.Func || m.Fingerprint != want.Fingerprint:
		other = fmt.Sprintf("it calls %s, %s", m.Func, m.Shape)
	case m.Items != n:
		other = fmt.Sprintf("it has %d calls, not %d", m.Items, n)
	case m.RetryOf != want.RetryOf || !slices.Equal(m.Positions, want.Positions):
		other = "it retries other calls"
	case m.Input != want.Input:
		other = "it has other arguments"
	}
	if other != "" {
		return s.failure(ErrRunExists, fmt.Errorf("%s is another run: %s", m.ID, other), "choose another name, or delete that run")
	}
	if s.view, err = s.await(); err != nil || s.view == nil {
		return err
	}
	return s.outlives()
}

// await returns what there is of the run once nobody else sends it, or nil if nothing is left
// to be sent. A client that was killed leaves no word: it takes sentStale to be sure.
func (s *Submission) await() (*detached.View, error) {
	first := time.Time{}
	for {
		view := detached.NewView(s.m)
		var now time.Time
		err := s.persist(func() (err error) {
			if now, err = listRun(s.ctx, s.store, view, 0); err == nil && view.SentSize > 0 {
				err = s.readSent()
			}
			return err
		})
		if err != nil {
			return nil, s.stored("look what is sent", err)
		}
		seen := view.Sent
		if seen.IsZero() {
			seen = s.m.Created
		}
		if first.IsZero() {
			first = seen
		}
		silent := now.Sub(seen)
		if s.sent.Done && s.cfg.Resend {
			s.sent = detached.Sent{Stopped: true} // as if nothing had been sent
		}
		switch {
		case s.sent.Done, now.After(s.m.StartBy):
			return nil, nil //nolint:nilnil // nothing left, and no error
		case s.sent.Stopped, silent >= sentStale:
			return view, nil
		case seen.After(first):
			return nil, s.failure(ErrRunExists, fmt.Errorf("%s %w", s.m.ID, detached.ErrSending), "attach to it")
		}
		s.e.Ground().Logger.Info("lambdapool: the run's last client has not finished sending it; waiting to be sure that it is dead", "run", s.m.ID, "silent", silent)
		select {
		case <-time.After(max(min(sentStale-silent, 2*sentInterval), sentInterval)):
		case <-s.ctx.Done():
			kind, cause := failure.Context(s.ctx)
			return nil, s.failure(kind, cause, "")
		}
	}
}

// readSent reads what another client has sent.
func (s *Submission) readSent() error {
	body, err := readObject(s.ctx, s.store, detached.SentKey(s.m.ID))
	if err != nil {
		return err
	}
	sent, err := detached.DecodeSent(body, s.m.Chunks())
	if err == nil {
		s.sent = *sent
	}
	return err
}
