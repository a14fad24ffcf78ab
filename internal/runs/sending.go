package runs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/lambdapool/lambdapool/codec"
	"github.com/lambdapool/lambdapool/driver"
	"github.com/lambdapool/lambdapool/internal/contain"
	"github.com/lambdapool/lambdapool/internal/detached"
	"github.com/lambdapool/lambdapool/internal/engine"
	"github.com/lambdapool/lambdapool/internal/failure"
	"github.com/lambdapool/lambdapool/internal/nested"
	"github.com/lambdapool/lambdapool/internal/payload"
	"github.com/lambdapool/lambdapool/internal/schedule"
)

// sendParallel is how many chunks are being sent at once: enough to hide a network's latency,
// few enough to surprise nobody's rate limit.
const sendParallel = 32

// Send has the platform queue every chunk that it has not got.
func (s *Submission) Send(args iter.Seq2[[]byte, error], report func(sent int, final bool)) error {
	s.news, s.sent.Stopped = true, false
	if err := s.record(); err != nil { // a sign of life before anything else
		return err
	}
	stop := s.keepRecording(report)
	err := s.keepInput(args)
	if err == nil {
		err = s.sendAll(args)
	}
	s.mu.Lock()
	s.sent.Done, s.sent.Stopped = err == nil, err != nil
	s.news = true
	sent := s.sent.Len()
	s.mu.Unlock()
	stop()
	if last := s.record(); err == nil {
		err = last
	}
	report(sent*s.m.Chunk, true)
	if err == nil {
		return nil
	}
	return s.unfinished(err, sent)
}

// unfinished adds to an error what became of the run. If nothing was sent, there is no run.
func (s *Submission) unfinished(err error, sent int) error {
	hint := fmt.Sprintf("%d of %d invocations of run %s are sent, and go on; ", sent, s.m.Chunks(), s.m.ID)
	if sent == 0 && s.view == nil && !s.unsure.Load() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(s.ctx), payload.Cleanup)
		defer cancel()
		if deleteAll(ctx, s.store, s.m.ID) == nil {
			return err
		}
	}
	hint += fmt.Sprintf("start it again with RunName(%q) to send the rest, or attach to it, or cancel it", s.m.ID)
	said := err
	if item, ok := err.(*failure.Item); ok { //nolint:errorlint // as it was made
		said = item.Err
	}
	if pool := failure.Of(said); pool != nil {
		if pool.Hint != "" {
			hint = pool.Hint + "; " + hint
		}
		pool.Hint = hint
	}
	return err
}

// keepRecording records what was sent from time to time until it is stopped.
func (s *Submission) keepRecording(report func(sent int, final bool)) (stop func()) {
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		ticker := time.NewTicker(sentInterval)
		defer ticker.Stop()
		for {
			select {
			case <-done:
				return
			case <-ticker.C:
			}
			s.mu.Lock()
			s.news = true // a sign of life, if nothing else
			sent := s.sent.Len()
			s.mu.Unlock()
			report(sent*s.m.Chunk, false)
			if err := s.record(); err != nil && s.ctx.Err() == nil {
				s.e.Ground().Logger.Warn("lambdapool: record what was sent", "run", s.m.ID, "error", err)
			}
		}
	}()
	return func() {
		close(done)
		<-ended
	}
}

// record stores what was sent.
func (s *Submission) record() error {
	s.mu.Lock()
	if !s.news {
		s.mu.Unlock()
		return nil
	}
	s.news = false
	body, err := s.sent.Encode()
	s.mu.Unlock()
	if err == nil {
		err = s.persist(func() error {
			return putObject(context.WithoutCancel(s.ctx), s.store, detached.SentKey(s.m.ID), body)
		})
	}
	if err != nil {
		return s.stored("record what was sent", err)
	}
	return nil
}

// persist does what the store fails to do until it succeeds, or there is no use: as often as
// a call is tried that the platform turns away.
func (s *Submission) persist(do func() error) error {
	for try := 1; ; try++ {
		err := do()
		if err == nil || errors.Is(err, fs.ErrExist) || errors.Is(err, fs.ErrNotExist) || permanent(err) || s.ctx.Err() != nil {
			return err
		}
		a, _ := engine.Classify(err)
		d := s.e.Decide(schedule.Attempt{
			Outcome: schedule.NotRun, RetryAfter: a.RetryAfter, Tries: try, Rejected: try, Left: schedule.Forever,
		})
		if !d.Retry() {
			return err
		}
		select {
		case <-time.After(d.After):
		case <-s.ctx.Done():
			return err
		}
	}
}

// sendAll sends the chunks that are not sent, several at once.
func (s *Submission) sendAll(args iter.Seq2[[]byte, error]) error {
	g, ctx := errgroup.WithContext(s.ctx)
	g.SetLimit(sendParallel)
	before := make(map[int]bool)
	for _, r := range s.sent.Ranges {
		for chunk := r[0]; chunk <= r[1]; chunk++ {
			before[chunk] = true
		}
	}
	items := make([][]byte, 0, s.m.Chunk)
	chunk, index := 0, 0
	flush := func() {
		if len(items) == 0 {
			return
		}
		n, batch := chunk, items
		chunk, items = chunk+1, make([][]byte, 0, s.m.Chunk)
		if before[n] || s.view != nil && (s.view.Chunk(n).State != detached.Queued || s.view.Chunk(n).Rests > 0) { // a follower sends what is left
			s.accepted(n)
			return
		}
		g.Go(func() error {
			if err := s.sendChunk(ctx, n, batch); err != nil {
				return err
			}
			s.accepted(n)
			return nil
		})
	}
	var bad error
	for data, err := range args {
		if err != nil {
			bad = &failure.Item{Index: index, Err: failure.Problem(err)}
			break
		}
		items = append(items, data)
		index++
		if len(items) == s.m.Chunk {
			flush()
		}
		if ctx.Err() != nil {
			break
		}
	}
	if bad == nil && ctx.Err() == nil {
		flush()
	}
	err := g.Wait()
	switch {
	case bad != nil:
		return bad
	case s.ctx.Err() != nil:
		kind, cause := failure.Context(s.ctx)
		return s.failure(kind, cause, "")
	default:
		return err
	}
}

func (s *Submission) accepted(chunk int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sent.Add(chunk)
	s.news = true
}

// life is how long a link must live that ends at a time of the store's.
func (s *Submission) life(until time.Time) time.Duration {
	return max(until.Sub(s.at)-time.Since(s.begun), time.Second)
}

// sendChunk has one chunk queued. Sending it again is harmless, whatever became of the
// last try: whoever begins it first has claimed it.
func (s *Submission) sendChunk(ctx context.Context, chunk int, items [][]byte) error {
	var rejected int
	for try := 1; ; try++ {
		body, err := s.payload(ctx, chunk, 0, items, s.e.WireLogs(s.cfg.Logs, s.m.ID, []int{chunk * s.m.Chunk, len(items)}, 1))
		if err == nil {
			err = s.invoke(ctx, &driver.Request{Payload: body, Registry: (*driver.Registry)(s.e.Ground().Registry)})
		}
		if err == nil {
			return nil
		}
		a, refusal := engine.Classify(err)
		if a.Outcome != schedule.NotRun {
			s.unsure.Store(true)
		}
		if ctx.Err() != nil {
			return err
		}
		a.Outcome, a.Left = schedule.NotRun, schedule.Forever
		if !a.Throttled {
			rejected++
		}
		a.Tries, a.Rejected = try, rejected
		d := s.e.Decide(a)
		if !d.Retry() {
			if refusal == nil {
				refusal = &driver.InvokeError{Kind: driver.ErrUnreachable, Err: err}
			}
			return failure.Invoke("start run of", s.fn.Name(), refusal)
		}
		select {
		case <-time.After(d.After):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// invoke calls the backend and contains what it does.
func (s *Submission) invoke(ctx context.Context, r *driver.Request) error {
	_, err := contain.Value(ctx, "InvokeEvent", s.events, func() (string, error) { return s.events.InvokeEvent(ctx, r) })
	var fault *contain.FaultError
	if errors.As(s.e.Complain(s.fn.Name(), err), &fault) {
		err = &driver.InvokeError{Kind: driver.ErrUnknownOutcome, Err: fault, Permanent: true} // a bug, and not the weather
	}
	return failure.Tame(err)
}

// payload makes the request of a chunk, of all of it or of what earlier turns have left, and stores
// its arguments where an event has no room for them.
func (s *Submission) payload(ctx context.Context, chunk, turn int, items [][]byte, logs *codec.Logs) ([]byte, error) {
	d := &codec.Detached{Run: s.m.ID, Items: len(items), Once: s.m.Once, Turn: turn}
	claim := detached.TurnName(detached.Claim, turn)
	for _, link := range []struct {
		to    *driver.Link
		make  func(context.Context, string, time.Duration) (driver.Link, error)
		name  string
		until time.Time
	}{
		{&d.Claim, s.store.LinkCreate, claim, s.m.StartBy},
		{&d.Holder, s.store.LinkGet, claim, s.m.RecordBy},
		{&d.Result, s.store.LinkCreate, detached.Result, s.m.RecordBy},
		{&d.Done, s.store.LinkGet, detached.Result, s.m.RecordBy},
		{&d.Rest, s.store.LinkCreate, detached.TurnName(detached.Rest, turn+1), s.m.RecordBy},
	} {
		if link.to == &d.Rest && len(items) == 1 {
			continue // the first is always begun
		}
		var err error
		if *link.to, err = link.make(ctx, detached.ChunkKey(s.m.ID, chunk, link.name), s.life(link.until)); err != nil {
			return nil, payload.Failure("sign links", driver.OutcomeNotRun, err)
		}
	}
	var err error
	d.Marks, err = s.store.LinkUnder(ctx, detached.MarksPrefix(s.m.ID, chunk), s.life(s.m.RecordBy))
	if err != nil && !errors.Is(err, errors.ErrUnsupported) { // then it leaves none
		return nil, payload.Failure("sign a form for marks", driver.OutcomeNotRun, err)
	}
	r := &codec.Request{
		ID: s.e.NewID(), Func: s.fn.Name(), Shape: s.fn.Fingerprint(),
		Parallel: s.cfg.Parallel, Compress: s.e.Ground().Payloads.Compress, Chunk: chunk + 1, Items: items, Detached: d,
		Trace: nested.Trace(ctx), Logs: logs,
	}
	body, frame, err := s.encode(r)
	if err != nil || frame == nil {
		return body, err
	}
	key := detached.ChunkKey(s.m.ID, chunk, detached.TurnName(detached.Args, turn))
	if err := s.store.Put(ctx, key, frame.Reader(), frame.Size(), frame.Sum()); err != nil {
		return nil, payload.Failure(fmt.Sprintf("store arguments of %d bytes", frame.Size()), driver.OutcomeNotRun, err)
	}
	from, err := s.store.LinkGet(ctx, key, s.life(s.m.RecordBy))
	if err != nil {
		return nil, payload.Failure("sign links", driver.OutcomeNotRun, err)
	}
	r.Items, r.Stored = nil, frame.Stored(from)
	return s.e.Ground().Payloads.EncodeRequest(r)
}

// encode returns the request as it is sent, or the frame of its items if they have to be
// stored.
func (s *Submission) encode(r *codec.Request) ([]byte, *codec.Frame, error) {
	total, opts := payload.Packing(r)
	limit := s.limits.Request
	if above := s.store.Threshold(); above > 0 && (limit == 0 || above < limit) {
		limit = above
	}
	if limit == 0 || total <= limit {
		body, err := s.e.Ground().Payloads.EncodeRequest(r, opts...)
		if err != nil || limit == 0 || len(body) <= limit {
			return body, nil, err
		}
	}
	frame, err := codec.FrameRequest(r, opts...)
	if err != nil {
		return nil, nil, &driver.InvokeError{Outcome: driver.OutcomeNotRun, Kind: driver.ErrTooLarge, Err: err, Permanent: true}
	}
	return nil, frame, nil
}
