package awslambda_test

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/awslambda"
	"github.com/lambdapool/lambdapool/internal/schedule"
)

// asked is a fleet whose look-up is answered when the test says so.
func asked(t *testing.T, fleet *fleet) (f *fakeLambda, answer func()) {
	t.Helper()
	may := make(chan struct{})
	f = newFake(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			<-may
		}
		fleet.serve(w, r)
	})
	answer = sync.OnceFunc(func() { close(may) })
	t.Cleanup(answer)
	return f, answer
}

func invoke(t *testing.T, b *awslambda.Backend, times int) {
	t.Helper()
	for range times {
		if _, err := b.Invoke(t.Context(), &lambdapool.Request{Payload: []byte(payload)}); err != nil {
			t.Error(err)
		}
	}
}

// Nobody waits for the number of shards: neither New nor calls. When it is known, who watches the limits is told, and
// invocations at once go to all.
func TestShardsAreFoundMeanwhile(t *testing.T) {
	fleet := newFleet(threeShards)
	f, answer := asked(t, fleet)
	b, err := awslambda.New(t.Context(), "algorithms", awslambda.WithConfig(f.config()), awslambda.WithWorkers(9))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	told, late := make(chan int, 10), make(chan int, 10)
	stop := b.WatchLimits(func(l lambdapool.Limits) { told <- l.Burst })
	defer stop()
	b.WatchLimits(func(l lambdapool.Limits) { late <- l.Burst })()
	invoke(t, b, 3)
	if n := fleet.count("algorithms"); n != 3 || b.Limits().Burst != schedule.LambdaBurst {
		t.Errorf("%d calls on the one that is known, limits %+v", n, b.Limits())
	}
	answer()
	awslambda.Looked(b)
	for _, want := range []int{schedule.LambdaBurst, 3 * schedule.LambdaBurst} {
		if got := <-told; got != want {
			t.Errorf("told %d, want %d", got, want)
		}
	}
	if <-late; len(told)+len(late) > 0 {
		t.Error("told again, or after stop")
	}
	b.WatchLimits(func(l lambdapool.Limits) { told <- l.Burst })
	if got := <-told; got != 3*schedule.LambdaBurst {
		t.Errorf("who watches later is told %d", got)
	}
	if got := b.Limits(); got.Burst != 3*schedule.LambdaBurst || got.Workers != 9 || got.Timeout != 15*time.Minute {
		t.Errorf("limits %+v", got)
	}
	var together sync.WaitGroup
	for range 60 {
		together.Go(func() { invoke(t, b, 3) })
	}
	together.Wait()
	if fleet.count("algorithms")+fleet.count("algorithms-1")+fleet.count("algorithms-2") != 183 || fleet.count("algorithms-1") == 0 {
		t.Errorf("invoked: %v", fleet.invoked)
	}
}

// Calls that are on their way when shards are found end as they would have.
func TestShardsAreFoundDuringCalls(t *testing.T) {
	fleet := newFleet(threeShards)
	f, answer := asked(t, fleet)
	b, err := awslambda.New(t.Context(), "algorithms", awslambda.WithConfig(f.config()), awslambda.WithWorkers(20))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	var together sync.WaitGroup
	for i := range 20 {
		together.Go(func() {
			invoke(t, b, 10)
			if i == 7 {
				answer()
			}
			invoke(t, b, 10)
		})
	}
	together.Wait()
	awslambda.Looked(b)
	fleet.mu.Lock()
	defer fleet.mu.Unlock()
	if all := fleet.invoked["algorithms"] + fleet.invoked["algorithms-1"] + fleet.invoked["algorithms-2"]; all != 400 {
		t.Errorf("%d of 400 invocations: %v", all, fleet.invoked)
	}
}

// Events wait for the shards, as a run's are sent within less time than the look-up takes.
func TestEventsWaitForShards(t *testing.T) {
	fleet := newFleet(threeShards)
	f, answer := asked(t, fleet)
	b, err := awslambda.New(t.Context(), "algorithms", awslambda.WithConfig(f.config()))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.InvokeEvent(canceled, &lambdapool.Request{Payload: []byte(payload)}); err == nil {
		t.Error("an event of a context that has ended was sent")
	}
	var events sync.WaitGroup
	for range 6 {
		events.Go(func() {
			if _, err := b.InvokeEvent(t.Context(), &lambdapool.Request{Payload: []byte(payload)}); err != nil {
				t.Error(err)
			}
		})
	}
	answer()
	events.Wait()
	for _, name := range []string{"algorithms", "algorithms-1", "algorithms-2"} {
		if got := fleet.count(name); got != 2 {
			t.Errorf("%s has %d events, want 2", name, got)
		}
	}
}

// Close does not wait for an answer that does not come.
func TestCloseEndsTheLookUp(t *testing.T) {
	f, _ := asked(t, newFleet(threeShards))
	b, err := awslambda.New(t.Context(), "algorithms", awslambda.WithConfig(f.config()))
	if err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	if err := b.Close(); err != nil || time.Since(begun) >= 2*time.Second {
		t.Errorf("%v after %v", err, time.Since(begun))
	}
}

// Credentials are fetched before the first call needs them, also where nobody looks for shards.
func TestCredentialsAreFetchedAhead(t *testing.T) {
	f := newFake(t, newFleet(nil).serve)
	cfg := f.config()
	var fetched atomic.Int64
	static := cfg.Credentials
	cfg.Credentials = aws.CredentialsProviderFunc(func(ctx context.Context) (aws.Credentials, error) {
		fetched.Add(1)
		return static.Retrieve(ctx)
	})
	b := f.open(t, awslambda.WithConfig(cfg))
	awslambda.Looked(b)
	if n := fetched.Load(); n != 1 {
		t.Errorf("fetched %d times before the first call", n)
	}
	invoke(t, b, 2)
	if n := fetched.Load(); n != 1 {
		t.Errorf("fetched %d times by two calls", n)
	}
}

// A name that has no room for a number stands for itself, and the log says so.
func TestShardsOfALongName(t *testing.T) {
	name := strings.Repeat("n", 63)
	f := newFake(t, newFleet(map[string]string{name: configured("0/3", "A")}).serve)
	var out lockedBuffer
	b, err := awslambda.New(t.Context(), name, awslambda.WithConfig(f.config()), awslambda.WithClientLog(logTo(&out)))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	awslambda.Looked(b)
	invoke(t, b, 1)
	if b.Limits().Burst != schedule.LambdaBurst || !strings.Contains(out.String(), "cannot be used") || !strings.Contains(out.String(), "shard 1") {
		t.Errorf("limits %+v, logged: %s", b.Limits(), out.String())
	}
}
