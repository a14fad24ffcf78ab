package shards_test

import (
	"slices"
	"testing"
	"time"

	"github.com/lambdapool/lambdapool/internal/schedule"
	"github.com/lambdapool/lambdapool/internal/shards"
)

var epoch = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)

func at(d time.Duration) time.Time { return epoch.Add(d) }

// take takes n times at one moment, and counts by shard.
func take(s *shards.Set, n, count int, now time.Time) []int {
	got := make([]int, n)
	for range count {
		got[s.Take(now)]++
	}
	return got
}

func admitted(started time.Time) schedule.Result {
	return schedule.Result{Verdict: schedule.Admitted, Started: started}
}

func refused(started time.Time) schedule.Result {
	return schedule.Result{Verdict: schedule.Refused, Started: started}
}

func want(t *testing.T, got []int, want ...int) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("by shard: %v, want %v", got, want)
	}
}

// A cold burst goes to all shards alike: no function is asked for more than it may start.
func TestColdBurstIsSharedOut(t *testing.T) {
	s := shards.New(10, 10_000, schedule.LambdaLaw())
	for i, n := range take(s, 10, 10_000, epoch) {
		if n != schedule.LambdaBurst {
			t.Errorf("shard %d was given %d, want %d", i, n, schedule.LambdaBurst)
		}
	}
}

// Environments that are idle go before new ones, and a small load keeps to one shard.
func TestWarmFirst(t *testing.T) {
	s := shards.New(3, 100, schedule.LambdaLaw())
	now := epoch
	for range 20 { // one call after the other
		if i := s.Take(now); i != 0 {
			t.Fatalf("shard %d", i)
		}
		now = now.Add(time.Millisecond)
		s.Done(0, now, admitted(now))
	}
	want(t, take(s, 3, 1, now), 1, 0, 0)
	// Two more have to start environments, where the most room is.
	want(t, take(s, 3, 2, now), 0, 1, 1)
	s.Done(2, now, admitted(now))
	want(t, take(s, 3, 1, now), 0, 0, 1)
}

// A throttle of one shard is that shard's: the others go on, and the request goes to one of them.
func TestThrottleSlowsItsShardOnly(t *testing.T) {
	s := shards.New(4, 400, schedule.Law{})
	now := at(0)
	want(t, take(s, 4, 400, now), 100, 100, 100, 100)
	now = at(50 * time.Millisecond)
	for range 60 { // it lets 40 in
		if !s.Done(0, now, refused(epoch)) {
			t.Fatal("a refusal by one of four shards slowed the pool down")
		}
	}
	got := take(s, 4, 60, now)
	if got[0] > 0 {
		t.Errorf("by shard: %v, and the first has just refused", got)
	}
	want(t, got, 0, 20, 20, 20)
}

// Where most shards refuse at the same time, the account is at its limit, and the pool has to know.
func TestAccountsThrottleIsThePools(t *testing.T) {
	s := shards.New(4, 400, schedule.Law{})
	take(s, 4, 400, epoch)
	now := at(50 * time.Millisecond)
	elsewhere := make([]bool, 4)
	for range 50 {
		for i := range 4 {
			elsewhere[i] = s.Done(i, now, refused(epoch))
		}
	}
	if slices.Contains(elsewhere, true) {
		t.Errorf("sent elsewhere: %v, and all have refused", elsewhere)
	}
	// What others give back is found again: it grows at the shards, too.
	for at := now; at.Before(now.Add(10 * time.Second)); at = at.Add(100 * time.Millisecond) {
		s.Done(s.Take(at), at, admitted(at))
	}
}

// A shard that fails rests, the others take its part, and one request finds out when it is back.
func TestFailedShardRests(t *testing.T) {
	s := shards.New(2, 100, schedule.LambdaLaw())
	first := s.Take(epoch)
	s.Done(first, epoch, schedule.Result{})
	if !s.Failed(first, epoch, epoch) {
		t.Fatal("there is another one")
	}
	want(t, take(s, 2, 10, at(time.Second-1)), 0, 10)
	got := take(s, 2, 30, at(time.Second))
	if got[first] != 1 {
		t.Errorf("after its rest it was given %d, want one that looks", got[first])
	}
	now := at(1100 * time.Millisecond)
	s.Done(first, now, admitted(at(time.Second)))
	if got := take(s, 2, 30, now); got[first] < 15 {
		t.Errorf("it works again, and was given %v", got)
	}
}

// Many invocations at once that a shard fails are one failure of it: it is asked again after a second. Each that looks
// then and fails is another one.
func TestFlightThatFailsIsOneFailure(t *testing.T) {
	s := shards.New(2, 100, schedule.LambdaLaw())
	want(t, take(s, 2, 40, epoch), 20, 20)
	for range 20 {
		s.Done(1, at(10*time.Millisecond), schedule.Result{})
		s.Failed(1, epoch, at(10*time.Millisecond))
	}
	now := at(10 * time.Millisecond)
	for _, rest := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second} {
		if got := take(s, 2, 1, now.Add(rest-1)); got[1] > 0 {
			t.Errorf("asked before %v were over", rest)
		}
		looks := now.Add(rest)
		if got := take(s, 2, 1, looks); got[1] != 1 {
			t.Errorf("not asked after %v", rest)
		}
		now = looks.Add(time.Millisecond)
		s.Done(1, now, schedule.Result{})
		s.Failed(1, looks, now)
	}
}

// When all have failed, the error is that of the pool, and each is asked again in its turn.
func TestAllFailed(t *testing.T) {
	s := shards.New(2, 10, schedule.LambdaLaw())
	if !s.Failed(0, epoch, epoch) || s.Failed(1, epoch, epoch) {
		t.Error("the first failure can be sent elsewhere, the last cannot")
	}
	now := epoch
	for range 20 { // it rests for a minute at most
		i := s.Take(now)
		s.Done(i, now, schedule.Result{})
		s.Failed(i, now, now)
		if s.Failed(1-i, now, now) {
			t.Fatal("there is none that works")
		}
		now = now.Add(time.Minute)
	}
}

// A shard whose rest is over may work again, although no load has come to find out: a request that another fails goes there.
func TestFailedLongAgo(t *testing.T) {
	s := shards.New(2, 10, schedule.LambdaLaw())
	s.Failed(0, epoch, epoch)
	s.Failed(1, epoch, epoch)
	s.Done(s.Take(at(time.Hour)), at(time.Hour), admitted(at(time.Hour))) // the first works again
	now := at(2 * time.Hour)
	i := s.Take(now)
	s.Done(i, now, schedule.Result{})
	if i != 0 || !s.Failed(0, now, now) {
		t.Error("the second was not asked for two hours, and counts as failed")
	}
	if i := s.Take(now); i != 1 {
		t.Errorf("then shard %d is asked", i)
	}
	alone := shards.New(1, 10, schedule.LambdaLaw())
	if alone.Failed(0, epoch, epoch) || alone.Failed(0, epoch, at(time.Hour)) { // an answer that came late
		t.Error("there is no other one")
	}
}

// Events go round, past those that have failed.
func TestEventsGoRound(t *testing.T) {
	s := shards.New(3, 10, schedule.LambdaLaw())
	var got []int
	next := func(n int) {
		for range n {
			got = append(got, s.TakeEvent(epoch))
		}
	}
	next(4)
	s.Failed(1, epoch, epoch)
	next(3)
	want(t, got, 0, 1, 2, 0, 2, 0, 2)
	s.Working(1)
	got = nil
	next(3)
	want(t, got, 0, 1, 2)
	for i := range 3 {
		s.Failed(i, epoch, epoch)
	}
	got = nil
	next(3)
	want(t, got, 0, 1, 2)
}

// The ramp is each shard's own: what one may start does not count for another.
func TestRampIsPerShard(t *testing.T) {
	s := shards.New(2, 10_000, schedule.LambdaLaw())
	take(s, 2, 2000, epoch)
	want(t, take(s, 2, 200, at(time.Second+200*time.Millisecond)), 100, 100)
}

func BenchmarkTake(b *testing.B) {
	s := shards.New(10, 10_000, schedule.LambdaLaw())
	now := epoch
	for b.Loop() {
		now = now.Add(time.Microsecond)
		s.Done(s.Take(now), now, admitted(now))
	}
}
