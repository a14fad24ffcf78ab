package lazyctx_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lambdapool/lambdapool/internal/lazyctx"
	"github.com/lambdapool/lambdapool/internal/noleak"
)

func TestMain(m *testing.M) { noleak.Main(m) }

type valueKey struct{}

var (
	errEnough = errors.New("enough")
	errBroken = errors.New("broken")
)

// A lazily is a context of this package, and plainly the one of package context that it stands for.
type pair struct {
	lazily  context.Context
	plainly context.Context
	end     func() // of both
}

// holder has a value of its own, as the contexts in the module have.
type holder struct {
	lazyctx.Bounded

	value string
}

func (h *holder) Value(key any) any {
	if key == any(valueKey{}) && h.value != "" {
		return h.value
	}
	return h.Bounded.Value(key)
}

// below makes a pair below parents, which may be the same; timeout 0 is none.
func (p pair) below(timeout time.Duration) pair {
	h := &holder{value: "own"}
	child := context.WithValue(p.plainly, valueKey{}, "own")
	var cancel context.CancelFunc
	if timeout == 0 {
		h.Start(p.lazily, time.Time{})
		child, cancel = context.WithCancel(child)
	} else {
		h.Start(p.lazily, time.Now().Add(timeout))
		child, cancel = context.WithTimeout(child, timeout)
	}
	return pair{h, child, func() { h.End(); cancel() }}
}

// item makes a pair of which the lazy one is a plain Context.
func (p pair) item() pair {
	c := new(lazyctx.Context)
	c.Start(p.lazily)
	child, cancel := context.WithCancel(p.plainly)
	return pair{c, child, func() { c.End(); cancel() }}
}

// same compares all that a context says.
func (p pair) same(t *testing.T, when string) {
	t.Helper()
	if got, want := said(p.lazily), said(p.plainly); got != want {
		t.Errorf("%s: %s, want %s", when, got, want)
	}
}

func said(ctx context.Context) string {
	at, ok := ctx.Deadline()
	return fmt.Sprint(ctx.Err(), ", cause ", context.Cause(ctx), ", value ", ctx.Value(valueKey{}), ", deadline ", time.Until(at)*time.Duration(btoi(ok)), ok)
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

func closed(ctx context.Context) bool {
	select {
	case <-ctx.Done():
		return true
	default:
		return false
	}
}

// foreign is a context of neither package.
type foreign struct {
	context.Context

	done chan struct{}
	err  atomic.Value
}

func (f *foreign) Done() <-chan struct{} { return f.done }

func (f *foreign) Err() error {
	err, _ := f.err.Load().(error)
	return err
}

func (f *foreign) end(err error) {
	f.err.Store(err)
	close(f.done)
}

// Whatever ends a context, and in whichever order, it says what one of package context says, whether somebody
// waits for it from the beginning, from the end, or never.
func TestSaysWhatPackageContextSays(t *testing.T) {
	type step struct {
		name string
		do   func(root context.CancelCauseFunc, parent, child pair)
	}
	cancelRoot := step{"root canceled", func(root context.CancelCauseFunc, _, _ pair) { root(errEnough) }}
	endParent := step{"parent ends", func(_ context.CancelCauseFunc, parent, _ pair) { parent.end() }}
	endChild := step{"child ends", func(_ context.CancelCauseFunc, _, child pair) { child.end() }}
	second := step{"a second", func(context.CancelCauseFunc, pair, pair) { time.Sleep(time.Second); synctest.Wait() }}
	steps := []step{cancelRoot, endParent, endChild, second}
	for _, below := range []time.Duration{-1, 0, 700 * time.Millisecond, 5 * time.Second} { // -1: a plain Context
		for _, above := range []time.Duration{0, 300 * time.Millisecond, 2 * time.Second} {
			for _, asks := range []string{"never", "first", "looks", "polls", "parent"} {
				for order := range len(steps) * len(steps) * len(steps) {
					one, two, three := steps[order%4], steps[order/4%4], steps[order/16]
					name := fmt.Sprintf("child %v, parent %v, asks %s, %s, %s, %s", below, above, asks, one.name, two.name, three.name)
					synctest.Test(t, func(t *testing.T) {
						root, cancel := context.WithCancelCause(context.WithValue(context.Background(), valueKey{}, "root"))
						defer cancel(nil)
						parent := pair{root, root, nil}.below(above)
						defer parent.end()
						child := parent.item()
						if below >= 0 {
							child.end()
							child = parent.below(below)
						}
						defer child.end()
						switch asks {
						case "first":
							child.lazily.Done()
						case "parent":
							parent.lazily.Done()
						case "polls":
							for range 100 {
								_ = child.lazily.Err()
							}
						}
						for _, s := range []step{one, two, three} {
							s.do(cancel, parent, child)
							synctest.Wait()
							if asks != "never" && asks != "parent" {
								parent.same(t, name+": the parent")
								child.same(t, name)
							}
						}
						parent.same(t, name+": in the end, the parent")
						child.same(t, name+": in the end")
						if got, want := closed(child.lazily), closed(child.plainly); got != want {
							t.Errorf("%s: Done is closed: %v, want %v", name, got, want)
						}
					})
				}
			}
		}
	}
}

// What package context derives from one ends with it, at once and without a goroutine.
func TestDerivedEndsWithIt(t *testing.T) {
	for _, how := range []string{"End", "deadline", "parent"} {
		synctest.Test(t, func(t *testing.T) {
			root, cancel := context.WithCancelCause(t.Context())
			h := new(holder)
			h.Start(root, time.Now().Add(time.Minute))
			before := runtime.NumGoroutine()
			derived, stop := context.WithCancel(context.WithValue(h, valueKey{}, "derived"))
			defer stop()
			called := make(chan error, 1)
			context.AfterFunc(h, func() { called <- context.Cause(h) })
			if now := runtime.NumGoroutine(); now != before {
				t.Errorf("%d goroutines for what is derived", now-before)
			}
			want := context.Canceled
			switch how {
			case "End":
				h.End()
				if derived.Err() == nil {
					t.Error("End has returned, and what is derived has not ended")
				}
			case "deadline":
				time.Sleep(time.Minute)
				want = context.DeadlineExceeded
			case "parent":
				cancel(errEnough)
				want = errEnough
			}
			<-derived.Done()
			if got := <-called; !errors.Is(got, want) || !errors.Is(context.Cause(derived), want) {
				t.Errorf("%s: %v and %v, want %v", how, got, context.Cause(derived), want)
			}
			h.End()
			cancel(nil)
		})
	}
}

// A context of somebody else's may end with an error of its own.
func TestBelowAContextOfOthers(t *testing.T) {
	for _, asked := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			parent := &foreign{Context: t.Context(), done: make(chan struct{})}
			h, item := new(holder), new(lazyctx.Context)
			h.Start(parent, time.Now().Add(time.Hour))
			item.Start(h)
			var heard listener
			heard.Follow(h, &heard)
			if asked {
				item.Done()
			}
			parent.end(errBroken)
			synctest.Wait()
			if heard.n.Load() == 0 || !errors.Is(h.Err(), errBroken) || !errors.Is(context.Cause(h), errBroken) || !errors.Is(item.Err(), errBroken) || !closed(item) {
				t.Errorf("asked %v: heard %d, %v because of %v, item %v", asked, heard.n.Load(), h.Err(), context.Cause(h), item.Err())
			}
			heard.Unfollow()
			h.End()
		})
	}
}

type listener struct {
	lazyctx.Link

	n atomic.Int32
}

func (l *listener) Ended() { l.n.Add(1) }

// Who follows hears of each way to end, also of what had happened before.
func TestFollowersHear(t *testing.T) {
	ends := map[string]func(root, parent, child *holder){
		"its End":        func(_, _, child *holder) { child.End() },
		"the parent's":   func(_, parent, _ *holder) { parent.End() },
		"the root's":     func(root, _, _ *holder) { root.End() },
		"a deadline":     func(_, _, _ *holder) { time.Sleep(time.Minute) },
		"nothing so far": func(_, _, _ *holder) { time.Sleep(time.Minute - 1) },
	}
	for name, end := range ends {
		for _, which := range []int{1, 2} { // has the deadline
			for _, asked := range []bool{false, true} {
				for _, late := range []bool{false, true} {
					synctest.Test(t, func(t *testing.T) {
						hs := [3]*holder{{}, {}, {}}
						above := context.Background()
						for i, h := range hs {
							deadline := time.Time{}
							if i == which {
								deadline = time.Now().Add(time.Minute)
							}
							h.Start(above, deadline)
							above = h //nolint:fatcontext // a chain is what is tested
						}
						if asked {
							hs[2].Done()
						}
						var others [3]listener // before, between and after
						var l listener
						if late {
							end(hs[0], hs[1], hs[2])
						}
						others[0].Follow(hs[2], &others[0])
						others[1].Follow(hs[2], &others[1])
						l.Follow(hs[2], &l)
						others[2].Follow(hs[2], &others[2])
						others[1].Unfollow()
						if !late {
							end(hs[0], hs[1], hs[2])
						}
						synctest.Wait()
						if name == "nothing so far" {
							if l.n.Load() != 0 || hs[2].Err() != nil {
								t.Errorf("told %d times", l.n.Load())
							}
						} else if l.n.Load() == 0 || others[0].n.Load() == 0 || others[2].n.Load() == 0 || hs[2].Err() == nil {
							t.Errorf("%s, deadline of %d, asked %v, late %v: told %d, %d and %d times of %v", name, which, asked, late, others[0].n.Load(), l.n.Load(), others[2].n.Load(), hs[2].Err())
						}
						if !late && others[1].n.Load() != 0 {
							t.Error("told after Unfollow")
						}
						for _, f := range []*listener{&others[0], &l, &others[2]} {
							f.Unfollow()
						}
						for _, h := range hs {
							h.End()
						}
					})
				}
			}
		}
	}
}

// Whoever asks again and again is answered by package context, however much there is above.
func TestPollsAreCheap(t *testing.T) {
	parent := &counting{Context: t.Context()}
	h, item := new(holder), new(lazyctx.Context)
	h.Start(parent, time.Now().Add(time.Hour))
	defer h.End()
	item.Start(h)
	for range 1000 {
		_ = item.Err()
	}
	if n := parent.n.Load(); n > 100 {
		t.Errorf("the parent was asked %d times", n)
	}
}

// counting counts how often it is asked.
type counting struct {
	context.Context

	n atomic.Int32
}

func (c *counting) Err() error {
	c.n.Add(1)
	return c.Context.Err()
}

// Nothing is made for who does not wait.
func TestCostsNothing(t *testing.T) {
	root := new(holder)
	root.Start(context.Background(), time.Time{})
	defer root.End()
	deadline := time.Now().Add(time.Hour)
	type request struct {
		ctx  holder
		item lazyctx.Context
		link lazyctx.Link
	}
	if n := testing.AllocsPerRun(100, func() {
		r := new(request)
		r.ctx.Start(root, deadline)
		r.item.Start(&r.ctx)
		r.link.Follow(root, &r.ctx) // root has no deadline
		_, _ = r.item.Err(), r.item.Value(valueKey{})
		r.item.End()
		r.link.Unfollow()
		r.ctx.End()
	}); n > 1 {
		t.Errorf("%v allocations, want the one of the request", n)
	}
}

func (h *holder) Ended() { h.End() }

// Many ask, follow and end at the same time.
func TestConcurrentUse(t *testing.T) {
	for range 200 {
		root := new(holder)
		root.Start(t.Context(), time.Now().Add(time.Duration(rounds.Add(1)%20)*100*time.Microsecond))
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				h, item := new(holder), new(lazyctx.Context)
				h.Start(root, time.Now().Add(time.Duration(i)*200*time.Microsecond))
				item.Start(h)
				heard := make(chan struct{})
				var l waiter
				l.heard = heard
				l.Follow(h, &l)
				switch i % 4 {
				case 0:
					<-item.Done()
				case 1:
					h.End()
				case 2:
					for item.Err() == nil {
						runtime.Gosched()
					}
				}
				<-heard
				err, cause := item.Err(), context.Cause(item)
				if err == nil || !errors.Is(err, cause) {
					t.Errorf("%v because of %v", err, cause)
				}
				l.Unfollow()
				item.End()
				h.End()
				if item.Err() != err || !closed(item) { //nolint:errorlint // the very same
					t.Errorf("%v, and before %v", item.Err(), err)
				}
			})
		}
		if rounds.Load()%2 == 0 {
			wg.Go(root.End)
		}
		wg.Wait()
		root.End()
	}
}

var rounds atomic.Int32

type waiter struct {
	lazyctx.Link

	heard chan struct{}
	once  sync.Once
}

func (w *waiter) Ended() { w.once.Do(func() { close(w.heard) }) }
