package lambdapool

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/lambdapool/lambdapool/codec"
	"github.com/lambdapool/lambdapool/internal/detached"
	"github.com/lambdapool/lambdapool/internal/schedule"
)

// sendParallel is how many chunks are being sent at once: enough to hide a network's latency,
// few enough to surprise nobody's rate limit.
const sendParallel = 32

// send has the platform queue every chunk that it has not got.
func (s *submission) send(args iter.Seq2[[]byte, error], report func(sent int, final bool)) error {
	s.news, s.sent.Stopped = true, false
	if err := s.record(); err != nil { // a sign of life before anything else
		return err
	}
	var err error
	s.marks, err = s.store.LinkUnder(s.ctx, detached.RunPrefix(s.m.ID), s.life(s.m.RecordBy))
	if err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return s.stored("sign links", err)
	}
	stop := s.keepRecording(report)
	err = s.sendAll(args)
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
func (s *submission) unfinished(err error, sent int) error {
	hint := fmt.Sprintf("%d of %d invocations of run %s are sent, and go on; ", sent, s.m.Chunks(), s.m.ID)
	if sent == 0 && s.view == nil && !s.unsure.Load() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(s.ctx), storeCleanup)
		defer cancel()
		if deleteRun(ctx, s.store, s.m.ID) == nil {
			return err
		}
	}
	hint += fmt.Sprintf("start it again with RunName(%q) to send the rest, or attach to it, or cancel it", s.m.ID)
	var pool *PoolError
	if errors.As(err, &pool) {
		if pool.Hint != "" {
			hint = pool.Hint + "; " + hint
		}
		pool.Hint = hint
	}
	return err
}

// keepRecording records what was sent from time to time until it is stopped.
func (s *submission) keepRecording(report func(sent int, final bool)) (stop func()) {
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
				s.e.logger.Warn("lambdapool: record what was sent", "run", s.m.ID, "error", err)
			}
		}
	}()
	return func() {
		close(done)
		<-ended
	}
}

// record stores what was sent.
func (s *submission) record() error {
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
func (s *submission) persist(do func() error) error {
	for try := 1; ; try++ {
		err := do()
		if err == nil || errors.Is(err, fs.ErrExist) || errors.Is(err, fs.ErrNotExist) || permanent(err) || s.ctx.Err() != nil {
			return err
		}
		a, _ := s.e.retry.classify(err)
		d := s.e.retry.Decide(schedule.Attempt{
			Outcome: schedule.NotRun, RetryAfter: a.RetryAfter, Tries: try, Rejected: try, Left: schedule.Forever,
		}, s.e.random)
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
func (s *submission) sendAll(args iter.Seq2[[]byte, error]) error {
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
		if before[n] || s.view != nil && s.view.Chunks[n].State != detached.Queued {
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
			bad = &ItemError{Index: index, Err: err}
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
		kind, cause := contextKind(s.ctx)
		return s.failure(kind, cause, "")
	default:
		return err
	}
}

func (s *submission) accepted(chunk int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sent.Add(chunk)
	s.news = true
}

// life is how long a link must live that ends at a time of the store's.
func (s *submission) life(until time.Time) time.Duration {
	return max(until.Sub(s.at)-time.Since(s.begun), time.Second)
}

// sendChunk has one chunk queued. Sending it again is harmless, whatever became of the
// last try: whoever begins it first has claimed it.
func (s *submission) sendChunk(ctx context.Context, chunk int, items [][]byte) error {
	var rejected int
	for try := 1; ; try++ {
		payload, err := s.payload(ctx, chunk, items)
		if err == nil {
			_, err = s.invoke(ctx, &Request{Payload: payload, Registry: s.e.registry})
		}
		if err == nil {
			return nil
		}
		a, refusal := s.e.retry.classify(err)
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
		d := s.e.retry.Decide(a, s.e.random)
		if !d.Retry() {
			if refusal == nil {
				refusal = &InvokeError{Kind: ErrUnreachable, Err: err}
			}
			return runFailure("start run of", s.fn.name, refusal)
		}
		select {
		case <-time.After(d.After):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// invoke calls the backend and contains its panics.
func (s *submission) invoke(ctx context.Context, r *Request) (id string, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic in backend %T: %v", s.events, p)
		}
	}()
	return s.events.InvokeEvent(ctx, r)
}

// payload makes the request of a chunk, and stores its arguments where an event has
// no room for them.
func (s *submission) payload(ctx context.Context, chunk int, items [][]byte) ([]byte, error) {
	d := &codec.Detached{Run: s.m.ID, Items: len(items), Once: s.m.Once, Prefix: detached.ChunkName(chunk) + "/", Marks: s.marks}
	for _, link := range []struct {
		to    *Link
		make  func(context.Context, string, time.Duration) (Link, error)
		name  string
		until time.Time
	}{
		{&d.Claim, s.store.LinkCreate, detached.Claim, s.m.StartBy},
		{&d.Holder, s.store.LinkGet, detached.Claim, s.m.RecordBy},
		{&d.Result, s.store.LinkCreate, detached.Result, s.m.RecordBy},
		{&d.Done, s.store.LinkGet, detached.Result, s.m.RecordBy},
	} {
		var err error
		if *link.to, err = link.make(ctx, detached.ChunkKey(s.m.ID, chunk, link.name), s.life(link.until)); err != nil {
			return nil, storeFailure("sign links", OutcomeNotRun, err)
		}
	}
	r := &codec.Request{
		ID: s.e.prefix + strconv.FormatUint(s.e.sequence.Add(1), 36), Func: s.fn.name, Shape: s.fn.fingerprint,
		Parallel: s.cfg.parallel, Compress: s.e.payloads.compress, Chunk: chunk + 1, Items: items, Detached: d,
	}
	payload, frame, err := s.encode(r)
	if err != nil || frame == nil {
		return payload, err
	}
	key := detached.ChunkKey(s.m.ID, chunk, detached.Args)
	if err := s.store.Put(ctx, key, frame.Reader(), frame.Size(), frame.Sum()); err != nil {
		return nil, storeFailure(fmt.Sprintf("store arguments of %d bytes", frame.Size()), OutcomeNotRun, err)
	}
	from, err := s.store.LinkGet(ctx, key, s.life(s.m.RecordBy))
	if err != nil {
		return nil, storeFailure("sign links", OutcomeNotRun, err)
	}
	r.Items, r.Stored = nil, frame.Stored(from)
	return encodeRequest(r)
}

// encode returns the request as it is sent, or the frame of its items if they have to be
// stored.
func (s *submission) encode(r *codec.Request) ([]byte, *codec.Frame, error) {
	total, opts := packing(r)
	limit := s.limits.Request
	if above := s.store.Threshold(); above > 0 && (limit == 0 || above < limit) {
		limit = above
	}
	if limit == 0 || total <= limit {
		payload, err := encodeRequest(r, opts...)
		if err != nil || limit == 0 || len(payload) <= limit {
			return payload, nil, err
		}
	}
	frame, err := codec.FrameRequest(r, opts...)
	if err != nil {
		return nil, nil, &InvokeError{Outcome: OutcomeNotRun, Kind: ErrTooLarge, Err: err, Permanent: true}
	}
	return nil, frame, nil
}
