package runs_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lambdapool/lambdapool/codec"
	"github.com/lambdapool/lambdapool/driver"
	"github.com/lambdapool/lambdapool/internal/detached"
	"github.com/lambdapool/lambdapool/internal/failure"
	"github.com/lambdapool/lambdapool/internal/runs"
)

// What was sent is in the queue, the manifest and the list of what was sent are in the store, and nothing else is.
func TestSend(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, m := sent(t, 5, runs.Config{Name: "r", Chunk: 2})
		if m.Items != 5 || m.Chunks() != 3 || !m.Once || m.StartBy.Sub(m.Created) != time.Hour {
			t.Errorf("%+v", m)
		}
		var items []string
		for _, r := range p.cloud.queued {
			items = append(items, string(slices.Concat(r.Items...)))
			if !r.Detached.Once || r.Detached.Items != len(r.Items) || r.Detached.Run != "r" {
				t.Errorf("%+v", r.Detached)
			}
		}
		slices.Sort(items)
		if want := []string{"\x00\x01", "\x02\x03", "\x04"}; !slices.Equal(items, want) {
			t.Errorf("sent %q", items)
		}
		if keys := p.store.keys(); !slices.Equal(keys, []string{"index/r", "runs/r/input/0000000000", "runs/r/sent"}) {
			t.Errorf("in the store: %q", keys)
		}
	})
}

// packCalls is how many calls have their arguments in one object.
const packCalls = 10_000

// The arguments of any calls of a run are found again, also where they are in several objects.
func TestInput(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, m := sent(t, packCalls+5, runs.Config{Name: "r", Chunk: 1000})
		f := runs.NewFollower(t.Context(), p.e, p.fn, m, p.store)
		want := []int{0, 7, packCalls - 1, packCalls, packCalls + 4}
		got, failed := f.Input(t.Context(), want)
		if failed != nil {
			t.Fatal(failed)
		}
		for i, arg := range got {
			if arg[0] != byte(want[i]) {
				t.Errorf("call %d had %v", want[i], arg)
			}
		}
		if last, failed := f.Input(t.Context(), want[4:]); failed != nil || len(last) != 1 || last[0][0] != byte(want[4]) {
			t.Errorf("%v, %v", last, failed)
		}
		if err := p.store.Delete(t.Context(), "runs/r/input/0000010000"); err != nil {
			t.Fatal(err)
		}
		if _, failed = f.Input(t.Context(), want); failed == nil || !errors.Is(failed, runs.ErrRunNotFound) {
			t.Errorf("without one of them: %v", failed)
		}
	})
}

// A run that was interrupted goes on under its name with what is missing, and another input is refused.
func TestSendAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPlace(t)
		p.cloud.refuse = func(chunk int) error {
			if chunk == 2 {
				return &driver.InvokeError{Outcome: driver.OutcomeNotRun, Kind: driver.ErrAccessDenied, Err: errors.New("not you"), Permanent: true}
			}
			return nil
		}
		_, err := p.start(4, runs.Config{Name: "r"})
		pool := failure.Of(err)
		if pool == nil || !errors.Is(pool, driver.ErrAccessDenied) || !strings.Contains(pool.Hint, `RunName("r")`) {
			t.Fatalf("%v", err)
		}
		before := p.cloud.sent()
		p.cloud.refuse = nil
		if _, err := p.start(4, runs.Config{Name: "r"}); err != nil {
			t.Fatal(err)
		}
		seen := map[int]int{}
		for _, r := range p.cloud.queued {
			seen[r.Chunk-1]++
		}
		if len(seen) != 4 || p.cloud.sent() != 4 {
			t.Errorf("%d sent before, by chunk: %v", before, seen)
		}
		if _, err := p.start(3, runs.Config{Name: "r"}); !errors.Is(err, runs.ErrRunExists) || !strings.Contains(err.Error(), "it has 4 calls, not 3") {
			t.Errorf("another input: %v", err)
		}
	})
}

// A run of which nothing was sent leaves nothing.
func TestNothingWasSent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPlace(t)
		p.cloud.refuse = func(int) error {
			return &driver.InvokeError{Outcome: driver.OutcomeNotRun, Kind: driver.ErrFunctionNotFound, Err: errors.New("no such function"), Permanent: true}
		}
		if _, err := p.start(2, runs.Config{Name: "r"}); !errors.Is(err, driver.ErrFunctionNotFound) {
			t.Errorf("%v", err)
		}
		if keys := p.store.keys(); len(keys) > 0 {
			t.Errorf("left: %q", keys)
		}
	})
}

func TestWhatCannotBeSent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPlace(t)
		for want, cfg := range map[string]runs.Config{
			"keeps no request for longer than 1h0m0s": {StartWithin: 2 * time.Hour},
			"results may be recorded for":             {Retention: time.Hour},
		} {
			if _, err := p.start(1, cfg); !errors.Is(err, driver.ErrBadArguments) || !strings.Contains(err.Error(), want) {
				t.Errorf("%+v: %v", cfg, err)
			}
		}
		s, failed := runs.NewSubmission(t.Context(), p.e, p.fn, p.store, runs.Config{})
		if failed != nil {
			t.Fatal(failed)
		}
		if _, _, err := s.Prepare(detached.MaxCalls+1, args(1)); !errors.Is(err, driver.ErrBadArguments) {
			t.Errorf("too many: %v", err)
		}
	})
}

// Outcomes come as chunks end, in whichever order, each once; the counts are those of the calls.
func TestFollow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, m := sent(t, 3, runs.Config{Name: "r"})
		f := p.follow(m)
		go func() {
			for _, i := range []int{2, 0, 1} {
				time.Sleep(time.Second)
				p.claim(i)
				time.Sleep(time.Minute / 2)
				p.finish(i, []byte("value"))
			}
		}()
		var order []int
		for o := range f.Outcomes(t.Context(), func(int, bool) {}) {
			if o.Err != nil || len(o.Replies) != 1 || o.Replies[0].Err != nil {
				t.Fatalf("%+v", o)
			}
			order = append(order, o.Chunk)
		}
		want := []int{p.cloud.queued[2].Chunk - 1, p.cloud.queued[0].Chunk - 1, p.cloud.queued[1].Chunk - 1}
		if !slices.Equal(order, want) {
			t.Errorf("in order %v, ended %v", order, want)
		}
		if counts := f.Counts(); counts != (runs.Counts{Done: 3}) {
			t.Errorf("%+v", counts)
		}
		var inOrder []int
		p.follow(m).InOrder(t.Context(), func(int, bool) {}, func(o runs.Outcome) bool {
			inOrder = append(inOrder, o.Chunk)
			return true
		})
		if !slices.Equal(inOrder, []int{0, 1, 2}) {
			t.Errorf("InOrder: %v", inOrder)
		}
	})
}

// A store that does not answer is waited for; one that refuses ends the following, and says why.
func TestFollowWithoutStore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, m := sent(t, 1, runs.Config{Name: "r"})
		set := func(err error) {
			p.store.mu.Lock()
			defer p.store.mu.Unlock()
			p.store.down = err
		}
		set(errors.New("a thunderstorm"))
		go func() {
			time.Sleep(time.Minute)
			set(nil)
			p.finish(0, []byte("value"))
		}()
		for o := range p.follow(m).Outcomes(t.Context(), func(int, bool) {}) {
			if o.Chunk != 0 || o.Err != nil {
				t.Errorf("after the storm: %+v", o)
			}
		}
		set(&driver.InvokeError{Kind: driver.ErrAccessDenied, Err: fs.ErrPermission, Permanent: true})
		var last runs.Outcome
		for o := range p.follow(m).Outcomes(t.Context(), func(int, bool) {}) {
			last = o
		}
		if last.Chunk != -1 || !errors.Is(last.Err, fs.ErrPermission) {
			t.Errorf("refused: %+v", last)
		}
	})
}

// What no agent has begun can be canceled, and what runs cannot.
func TestCancelQueued(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, m := sent(t, 3, runs.Config{Name: "r"})
		p.claim(0)
		f := p.follow(m)
		if n, err := f.CancelQueued(t.Context()); n != 2 || err != nil {
			t.Errorf("canceled %d, %v", n, err)
		}
		if n, err := f.CancelQueued(t.Context()); n != 0 || err != nil {
			t.Errorf("canceled again %d, %v", n, err)
		}
		s, failed := f.State(t.Context())
		if failed != nil || s.Canceled != 2 || s.Running != 1 || s.Sent != 3 {
			t.Errorf("%+v, %v", s, failed)
		}
	})
}

func TestState(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, m := sent(t, 8, runs.Config{Name: "r", Chunk: 2})
		slices.SortFunc(p.cloud.queued, func(a, b *codec.Request) int { return a.Chunk - b.Chunk })
		p.claim(1)
		p.claim(2)
		p.finish(2, []byte("a"), []byte("b"))
		f := p.follow(m)
		lists := p.store.lists
		s, failed := f.State(t.Context())
		if failed != nil {
			t.Fatal(failed)
		}
		if s.Sent != 8 || s.Queued != 4 || s.Running != 2 || s.Succeeded != 2 || s.Failed+s.Expired+s.Canceled != 0 || len(s.Chunks) != 4 {
			t.Errorf("%+v", s)
		}
		if pages := p.store.lists - lists; pages != 2 {
			t.Errorf("%d requests to list %d objects, three to a page", pages, len(p.store.keys())-1)
		}
		for i, want := range []string{"queued", "running", "ended", "queued"} {
			if c := s.Chunks[i]; c.State != want || c.First != 2*i || c.Calls != 2 || (want == "queued") != c.Started.IsZero() {
				t.Errorf("chunk %d: %+v, want %s", i, c, want)
			}
		}
		time.Sleep(2 * time.Hour) // what is queued is late then, and what runs is lost
		if s, failed = f.State(t.Context()); failed != nil || s.Expired != 4 || s.Failed != 2 || s.Succeeded != 2 || s.Queued+s.Running != 0 {
			t.Errorf("two hours later: %+v, %v", s, failed)
		}
		p.store.down = errors.New("a thunderstorm")
		if _, failed = f.State(t.Context()); failed == nil || !errors.Is(failed, driver.ErrStore) {
			t.Errorf("without a store: %v", failed)
		}
	})
}

func TestClaim(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, m := sent(t, 2, runs.Config{Name: "r", Chunk: 2})
		f := p.follow(m)
		if _, failed := f.Claim(t.Context(), 1); failed == nil || !errors.Is(failed, runs.ErrRunNotFound) {
			t.Errorf("before anybody began: %v", failed)
		}
		p.claim(0)
		if claim, failed := f.Claim(t.Context(), 1); failed != nil || claim.Instance != "agent-0" || claim.RequestID != "r-0" {
			t.Errorf("%+v, %v", claim, failed)
		}
		for _, i := range []int{-1, 2} {
			if _, failed := f.Claim(t.Context(), i); failed == nil || !errors.Is(failed, driver.ErrBadArguments) {
				t.Errorf("call %d: %v", i, failed)
			}
		}
	})
}

func TestOpen(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, m := sent(t, 2, runs.Config{Name: "r", Chunk: 2})
		f := p.follow(m)
		if _, _, _, failed := f.Open(t.Context(), 0); failed == nil || !errors.Is(failed, runs.ErrRunNotFound) {
			t.Errorf("before it has ended: %v", failed)
		}
		p.finish(0, []byte("a value"), nil)
		stream, _, _, failed := f.Open(t.Context(), 0)
		if failed != nil || stream == nil {
			t.Fatalf("%v", failed)
		}
		if data, err := io.ReadAll(stream); string(data) != "a value" || err != nil {
			t.Errorf("read %q, %v", data, err)
		}
		if err := stream.Close(); err != nil {
			t.Error(err)
		}
		if stream, o, k, failed := f.Open(t.Context(), 1); stream != nil || failed != nil || k != 1 || o.Replies[k].Err == nil {
			t.Errorf("a call that failed: %v, %+v", failed, o)
		}
		if _, _, _, failed := f.Open(t.Context(), 2); failed == nil || !errors.Is(failed, driver.ErrBadArguments) {
			t.Errorf("no such call: %v", failed)
		}

		key := detached.ChunkKey("r", 0, detached.Result)
		p.store.bodies[key] = slices.Concat(p.store.bodies[key][:len(p.store.bodies[key])-1], []byte{0}) // its seal
		stream, _, _, failed = f.Open(t.Context(), 0)
		if failed == nil {
			_, err := io.ReadAll(stream)
			failed = failure.Of(err)
			_ = stream.Close()
		}
		if failed == nil || !errors.Is(failed, driver.ErrDecode) {
			t.Errorf("changed in the store: %v", failed)
		}
	})
}

// Manifests are yielded in order, also behind one that cannot be read, and a run is deleted whole.
func TestManifestsAndDeletion(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPlace(t)
		for _, id := range []string{"a", "b", "d", "e"} {
			if _, err := p.start(1, runs.Config{Name: id}); err != nil {
				t.Fatal(err)
			}
		}
		p.put("index/c", []byte("not a manifest"))
		var ids []string
		for m, failed := range runs.Manifests(t.Context(), p.store) {
			if (failed != nil) != (m.ID == "c") {
				t.Errorf("%s: %v", m.ID, failed)
			}
			ids = append(ids, m.ID)
		}
		if got := strings.Join(ids, ""); got != "abcde" {
			t.Errorf("listed %s", got)
		}
		if failed := runs.DeleteRun(t.Context(), p.store, "b"); failed != nil {
			t.Error(failed)
		}
		if p.store.has("index/b") || slices.ContainsFunc(p.store.keys(), func(key string) bool { return strings.HasPrefix(key, "runs/b/") }) {
			t.Errorf("left: %q", p.store.keys())
		}
		p.put("runs/x/00000000/claim", nil) // as an interrupted deletion leaves it
		for id, want := range map[string]error{"b": runs.ErrRunNotFound, "x": nil, "no/such": driver.ErrBadArguments} {
			failed := runs.DeleteRun(t.Context(), p.store, id)
			if (failed == nil) != (want == nil) || failed != nil && !errors.Is(failed, want) {
				t.Errorf("delete %s: %v, want %v", id, failed, want)
			}
		}
		p.store.down = &driver.InvokeError{Kind: driver.ErrAccessDenied, Err: fs.ErrPermission, Permanent: true}
		n := 0
		for m, failed := range runs.Manifests(context.Background(), p.store) {
			if n++; failed == nil || m.ID != "" || !errors.Is(failed, fs.ErrPermission) {
				t.Errorf("%+v, %v", m, failed)
			}
		}
		if n != 1 {
			t.Errorf("%d answers of a store that refuses", n)
		}
	})
}
