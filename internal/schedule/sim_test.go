package schedule_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/lambdapool/lambdapool/internal/schedule"
)

// epoch is the virtual time zero.
var epoch = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// A world is a simulated region of Lambda and the pools that call it, in
// virtual time: one event after the other, and the same again for each seed.
type world struct {
	rnd    *rand.Rand
	now    time.Duration
	events queue[func()]

	limit      func(time.Duration) int     // account concurrency that other tenants leave
	rate       func(time.Duration) float64 // requests per second of the account; nil: no limit
	retryAfter time.Duration               // what each refusal asks for
	noise      float64                     // share of requests that is refused for no reason
	coldStart  time.Duration
	oneWay     time.Duration // through the network, on average
	busy       int           // in the whole account
	requests   bucket
}

func newWorld(tb testing.TB, seed uint64) *world {
	tb.Helper()
	tb.Logf("seed %d", seed)
	return &world{
		rnd:       rand.New(rand.NewPCG(seed, 7)),
		limit:     constant(1 << 30),
		coldStart: 150 * time.Millisecond,
		oneWay:    15 * time.Millisecond,
	}
}

// after has f called in d.
func (w *world) after(d time.Duration, f func()) { w.events.push(w.now+d, f) }

// every has f called at the end of each interval.
func (w *world) every(d time.Duration, f func()) {
	w.after(d, func() {
		f()
		w.every(d, f)
	})
}

// latency is what one way through the network takes this time.
func (w *world) latency() time.Duration {
	return 2*w.oneWay/3 + time.Duration(w.rnd.ExpFloat64()*float64(w.oneWay/3))
}

// simulate runs until the pools have nothing left to do or the time is up.
func (w *world) simulate(until time.Duration, pools ...*pool) {
	for w.now < until {
		left := 0
		for _, p := range pools {
			left += p.todo
		}
		if left == 0 {
			return
		}
		var f func()
		w.now, f = w.events.pop()
		f()
	}
}

// admit is the platform's decision about a request for f that arrives now.
func (w *world) admit(f *function) (ok, cold bool) {
	if w.noise > 0 && w.rnd.Float64() < w.noise {
		return false, false
	}
	if w.rate != nil {
		if r := w.rate(w.now); !w.requests.take(w.now, r/10, r) {
			return false, false
		}
	}
	if w.busy >= w.limit(w.now) {
		return false, false
	}
	if f.busy == f.envs {
		if !f.starts.take(w.now, schedule.LambdaBurst, schedule.LambdaRamp) {
			return false, false
		}
		f.envs++
		cold = true
	}
	f.busy++
	w.busy++
	return true, cold
}

// A function is one Lambda function under the scaling law.
type function struct {
	envs, busy int
	starts     bucket
}

// newFunction returns a cold one.
func newFunction() *function {
	return &function{starts: bucket{tokens: schedule.LambdaBurst}}
}

// A bucket is a token bucket of the platform.
type bucket struct {
	tokens float64
	filled time.Duration
}

func (b *bucket) take(t time.Duration, size, perSecond float64) bool {
	b.tokens = min(b.tokens+perSecond*(t-b.filled).Seconds(), size)
	b.filled = t
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}

// A pool is an executor reduced to its queue, limiter and retries.
type pool struct {
	*function

	w       *world
	lim     *schedule.Limiter
	policy  schedule.Policy
	run     func(*rand.Rand) time.Duration
	waiting int     // calls that were never sent
	again   []*call // calls to be sent again: before the others
	timer   time.Duration

	todo    int           // calls that have not ended
	sent    int           // requests
	refused int           // of them
	ended   time.Duration // when the last call ended
	longest time.Duration // from the first request of a call to its end
}

type call struct {
	tries int
	first time.Duration
}

// newPool returns a pool of a cold function of its own, that begins after start.
func (w *world) newPool(start time.Duration, workers, calls int, run func(*rand.Rand) time.Duration) *pool {
	p := &pool{
		function: newFunction(), w: w, run: run, waiting: calls, todo: calls,
		lim:    schedule.NewLimiter(workers, schedule.LambdaLaw()),
		policy: schedule.DefaultPolicy(),
	}
	w.after(start, p.dispatch)
	return p
}

// refusedPercent is the share of requests that were refused.
func (p *pool) refusedPercent() float64 { return 100 * float64(p.refused) / float64(p.sent) }

func (p *pool) dispatch() {
	w := p.w
	for p.waiting+len(p.again) > 0 {
		ok, at := p.lim.Acquire(epoch.Add(w.now))
		if !ok {
			p.wake(at)
			return
		}
		if len(p.again) > 0 {
			c := p.again[0]
			p.again = p.again[1:]
			p.send(c)
			continue
		}
		p.waiting--
		p.send(&call{first: w.now})
	}
}

// wake dispatches again at that time, or before.
func (p *pool) wake(at time.Time) {
	if at.IsZero() {
		return
	}
	due := max(at.Sub(epoch), p.w.now+1)
	if p.timer > p.w.now && p.timer <= due {
		return
	}
	p.timer = due
	p.w.after(due-p.w.now, func() {
		if p.timer == p.w.now {
			p.dispatch()
		}
	})
}

func (p *pool) send(c *call) {
	w, started := p.w, p.w.now
	c.tries++
	p.sent++
	w.after(w.latency(), func() {
		ok, cold := w.admit(p.function)
		if !ok {
			p.refused++
			w.after(w.latency(), func() { p.refuse(c, started) })
			return
		}
		d := p.run(w.rnd)
		if cold {
			d += w.coldStart
		}
		w.after(d, func() {
			p.busy--
			w.busy--
			w.after(w.latency(), func() { p.finish(c, started) })
		})
	})
}

func (p *pool) finish(c *call, started time.Duration) {
	now := p.w.now
	p.lim.Release(epoch.Add(now), schedule.Result{Verdict: schedule.Admitted, Started: epoch.Add(started)})
	p.todo--
	p.ended = now
	p.longest = max(p.longest, now-c.first)
	p.dispatch()
}

func (p *pool) refuse(c *call, started time.Duration) {
	w := p.w
	p.lim.Release(epoch.Add(w.now), schedule.Result{Verdict: schedule.Refused, Started: epoch.Add(started), RetryAfter: w.retryAfter})
	d := p.policy.Decide(schedule.Attempt{
		Outcome: schedule.NotRun, Throttled: true, RetryAfter: w.retryAfter, Tries: c.tries, Left: schedule.Forever,
	}, w.rnd.Float64)
	if !d.Retry() {
		panic("a throttle ended a call: " + d.Reason.String())
	}
	w.after(d.After, func() {
		p.again = append(p.again, c)
		p.dispatch()
	})
	p.dispatch()
}

// ideal is how long a clairvoyant would take, who knows the law and every limit
// in advance and has no network to cross: a lower bound, in steps of 1 ms.
func (w *world) ideal(calls, workers int, run time.Duration) time.Duration {
	f, requests := newFunction(), bucket{}
	var ends queue[struct{}]
	for t := time.Duration(0); ; t += time.Millisecond {
		for ends.len() > 0 && ends.first() <= t {
			ends.pop()
			f.busy--
		}
		if calls == 0 && ends.len() == 0 {
			return t
		}
		for calls > 0 && f.busy < min(workers, w.limit(t)) {
			d := run
			if w.rate != nil && !requests.take(t, w.rate(t)/10, w.rate(t)) {
				break
			}
			if f.busy == f.envs {
				if !f.starts.take(t, schedule.LambdaBurst, schedule.LambdaRamp) {
					break
				}
				f.envs++
				d += w.coldStart
			}
			calls--
			f.busy++
			ends.push(t+d, struct{}{})
		}
	}
}

// A queue holds values by time; those of the same time in order of arrival.
type queue[T any] struct {
	heap   []entry[T]
	serial int
}

type entry[T any] struct {
	at     time.Duration
	serial int
	value  T
}

func (e entry[T]) before(f entry[T]) bool {
	return e.at < f.at || e.at == f.at && e.serial < f.serial
}

func (q *queue[T]) len() int             { return len(q.heap) }
func (q *queue[T]) first() time.Duration { return q.heap[0].at }

func (q *queue[T]) push(at time.Duration, v T) {
	q.serial++
	h := append(q.heap, entry[T]{at, q.serial, v})
	for i := len(h) - 1; i > 0 && h[i].before(h[(i-1)/2]); i = (i - 1) / 2 {
		h[i], h[(i-1)/2] = h[(i-1)/2], h[i]
	}
	q.heap = h
}

func (q *queue[T]) pop() (time.Duration, T) {
	h := q.heap
	e, last := h[0], len(h)-1
	h[0], h[last] = h[last], entry[T]{}
	h = h[:last]
	for i := 0; ; {
		child := 2*i + 1
		if child >= last {
			break
		}
		if child+1 < last && h[child+1].before(h[child]) {
			child++
		}
		if !h[child].before(h[i]) {
			break
		}
		h[i], h[child] = h[child], h[i]
		i = child
	}
	q.heap = h
	return e.at, e.value
}

// constant is a limit that never changes.
func constant(n int) func(time.Duration) int { return func(time.Duration) int { return n } }

// exactly is a run time that never varies.
func exactly(d time.Duration) func(*rand.Rand) time.Duration {
	return func(*rand.Rand) time.Duration { return d }
}

// about is a run time that varies by a fifth.
func about(d time.Duration) func(*rand.Rand) time.Duration {
	return func(r *rand.Rand) time.Duration { return time.Duration((0.8 + 0.4*r.Float64()) * float64(d)) }
}
