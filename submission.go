package lambdapool

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
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lambdapool/lambdapool/internal/detached"
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

// A submission is a detached run on its way to the platform.
type submission struct {
	e      *Executor
	fn     *Function
	cfg    mapConfig
	ctx    context.Context
	store  Store
	events Detacher
	limits EventLimits

	m     *detached.Manifest
	begun time.Time      // this machine's clock when …
	at    time.Time      // … the store's was this
	marks Link           // to POST marks, or empty
	view  *detached.View // what was there before, or nil

	unsure atomic.Bool // a request may be queued although it was not accepted

	mu   sync.Mutex
	sent detached.Sent
	news bool // since the last time it was recorded
}

// newSubmission checks what a run is made of. fn is what Executor.Submit takes.
func newSubmission(ctx context.Context, e *Executor, fn any, opts []MapOption) (*submission, error) {
	if e == nil {
		return nil, errNoExecutor()
	}
	f, err := e.registry.resolve(fn)
	if err != nil {
		return nil, err
	}
	return submissionOf(ctx, e, f, opts)
}

func submissionOf(ctx context.Context, e *Executor, f *Function, opts []MapOption) (_ *submission, err error) {
	if err := e.check(ctx, f); err != nil {
		return nil, err
	}
	s := &submission{e: e, fn: f, ctx: ctx}
	if s.cfg, err = configure("start run of", f.name, opts); err != nil {
		return nil, err
	}
	if s.store, err = e.runStore("start run of", f.name); err != nil {
		return nil, err
	}
	var ok bool
	if s.events, ok = e.backend.(Detacher); !ok {
		return nil, s.failure(ErrBadArguments, fmt.Errorf("backend %T cannot run what nobody waits for", e.backend), "")
	}
	s.limits = s.events.EventLimits()
	e.mu.Lock()
	closed := e.closed
	e.mu.Unlock()
	if closed {
		return nil, s.failure(ErrClosed, nil, "the executor was shut down or closed")
	}
	return s, nil
}

// runStore returns the store that detached runs are recorded in.
func (e *Executor) runStore(op, name string) (Store, error) {
	s, ok := e.backend.(Storer)
	if ok && s.Store() != nil {
		return s.Store(), nil
	}
	hint := ""
	if ok && s.StoreOption() != "" {
		hint = "name one with " + s.StoreOption()
	}
	return nil, callError(op, name, ErrStore, errors.New("detached runs are recorded in an object store, and the backend has none"), hint)
}

func (s *submission) failure(kind, err error, hint string) *PoolError {
	return callError("start run of", s.fn.name, kind, err, hint)
}

// stored is the failure of the store.
func (s *submission) stored(op string, err error) *PoolError {
	return runFailure("start run of", s.fn.name, storeFailure(op, OutcomeNotRun, err))
}

// runFailure turns what a backend or a store said into the error that a caller sees.
func runFailure(op, name string, err *InvokeError) *PoolError {
	return &PoolError{Op: op, Func: name, Kind: err.Kind, Err: err.Err, Outcome: err.Outcome, Hint: err.Hint, RequestID: err.RequestID}
}

// startRun sends a run of n calls, or what is left of it, and attaches to it.
func startRun[R any](s *submission, n int, args iter.Seq2[[]byte, error]) (*Run[R], error) {
	resumed, err := s.plan(n, args)
	if err != nil {
		return nil, err
	}
	r := newRun[R](s.e, s.fn, s.m, s.store, s.cfg)
	if resumed && s.view == nil {
		return r, nil // all of it is sent
	}
	if err := s.send(args, r.report()); err != nil {
		return nil, err
	}
	return r, nil
}

// plan makes the run's manifest, or finds it: then it reports so, and leaves the
// view of what is there unless all of it is sent.
func (s *submission) plan(n int, args iter.Seq2[[]byte, error]) (resumed bool, err error) {
	id := s.cfg.detached.name
	if id == "" {
		id = time.Now().UTC().Format("20060102T150405Z") + "-" + strings.ToLower(rand.Text()[:8])
	}
	input, err := s.identify(args) // which finds what cannot be encoded, too, before anything is sent
	if err != nil {
		return false, err
	}
	var there Listing
	err = s.persist(func() (err error) {
		there, err = s.store.List(s.ctx, detached.IndexKey(id), "")
		return err
	})
	if err != nil {
		return false, s.stored("look for the run", err)
	}
	s.begun, s.at = time.Now(), there.Time
	chunk := s.cfg.chunk
	if chunk == 0 {
		chunk = max(1, (n+singleCalls-1)/singleCalls)
	}
	if n > detached.MaxCalls || (n+chunk-1)/chunk > detached.MaxChunks {
		return false, s.failure(ErrBadArguments, fmt.Errorf("%d calls, %d in one invocation, are more than the %d calls or %d invocations of a run",
			n, chunk, detached.MaxCalls, detached.MaxChunks), "set a larger ChunkSize, or make several runs")
	}
	m := &detached.Manifest{
		ID: id, Func: s.fn.name, Shape: s.fn.shape, Signature: s.fn.signature, Fingerprint: s.fn.fingerprint,
		Input: input, Items: n, Chunk: chunk, Once: !s.fn.idempotent, Retries: s.limits.Retries, Created: s.at,
	}
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
		return false, s.failure(ErrEncode, err, "")
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

// schedule sets until when the run may begin, be recorded and be kept.
func (s *submission) schedule(m *detached.Manifest) error {
	c := &s.cfg.detached
	timeout := s.e.limits.Timeout
	if timeout == 0 {
		timeout = longestTimeout
	}
	age := s.limits.Age
	if age == 0 {
		age = defaultEventAge
	}
	if c.startWithin > age {
		return s.failure(ErrBadArguments, fmt.Errorf("StartWithin(%v): the platform keeps no request for longer than %v", c.startWithin, age), "")
	}
	if c.startWithin > 0 {
		age = c.startWithin
	}
	retention := c.retention
	if retention == 0 {
		retention = defaultRetention
	}
	m.Timeout = detached.Duration(timeout)
	m.StartBy = m.Created.Add(age)
	m.RecordBy = m.StartBy.Add(timeout + detached.RecordMargin)
	m.KeepUntil = m.Created.Add(retention)
	if m.KeepUntil.Before(m.RecordBy) {
		return s.failure(ErrBadArguments,
			fmt.Errorf("Retention(%v): results may be recorded for %v", retention, m.RecordBy.Sub(m.Created)), "keep the run longer, or have it start within less")
	}
	return nil
}

// outlives refuses a run that links signed now could not record.
func (s *submission) outlives() error {
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
	return s.failure(ErrStore, fmt.Errorf("the run may record results until %s, but what is signed now ends at %s, with the credentials",
		s.m.RecordBy.UTC().Format(time.RFC3339), s.m.RecordBy.Add(left-s.life(s.m.RecordBy)).UTC().Format(time.RFC3339)), hint)
}

// identify returns a hash of all encoded arguments.
func (s *submission) identify(args iter.Seq2[[]byte, error]) (string, error) {
	h := sha256.New()
	i := 0
	for data, err := range args {
		if err != nil {
			return "", &ItemError{Index: i, Err: err}
		}
		identifyItem(h, data)
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
func (s *submission) resume(n int) error {
	want := s.m
	var m *detached.Manifest
	var final error // that another try would not change
	err := s.persist(func() (err error) {
		if m, err = s.e.manifest(s.ctx, s.store, want.ID); err != nil && !errors.Is(err, ErrStore) {
			final, err = err, nil
		}
		return err
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
func (s *submission) await() (*detached.View, error) {
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
		if s.sent.Done && s.cfg.detached.resend {
			s.sent = detached.Sent{Stopped: true} // as if nothing had been sent
		}
		switch {
		case s.sent.Done, now.After(s.m.StartBy):
			return nil, nil //nolint:nilnil // nothing left, and no error
		case s.sent.Stopped, silent >= sentStale:
			return view, nil
		case seen.After(first):
			return nil, s.failure(ErrRunExists, fmt.Errorf("%s is being sent by another client", s.m.ID), "attach to it")
		}
		s.e.logger.Info("lambdapool: the run's last client has not finished sending it; waiting to be sure that it is dead", "run", s.m.ID, "silent", silent)
		select {
		case <-time.After(max(min(sentStale-silent, 2*sentInterval), sentInterval)):
		case <-s.ctx.Done():
			kind, cause := contextKind(s.ctx)
			return nil, s.failure(kind, cause, "")
		}
	}
}

// readSent reads what another client has sent.
func (s *submission) readSent() error {
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
