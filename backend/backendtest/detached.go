package backendtest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lambdapool/lambdapool"
)

// RunDetached runs the suite of detached runs over b, as subtests of t. These are calls that the
// platform queues and that nobody waits for; what becomes of them is read from the store. b must be
// a driver.Detacher and a driver.Storer whose Store is not nil, else its cases fail. [Run] includes
// this suite where b can do that; call it alone for a store that comes in variants, or for a
// platform on which the rest of the suite has passed.
//
// It blocks until all that it started has ended, and deletes its runs. The case of a function that
// is stuck needs a timeout of ten seconds at most in b.Limits; with a longer one, or none, it is
// left out.
func RunDetached(t *testing.T, b lambdapool.Backend) {
	t.Helper()
	d := &detachedSuite{b}
	limit := b.Limits().Timeout
	bounded := limit > 0 && limit <= slowest
	// Begun first, so that its time passes beside the other cases.
	var stuck *lambdapool.Run[bool]
	if bounded { // until its time is up, beside the other cases
		stuck = start(t, executor(t, b), ignore, []time.Duration{0, time.Minute}, lambdapool.ChunkSize(2), lambdapool.Parallel(1))
	}
	t.Run("Values", d.testValues)
	t.Run("Failures", d.testFailures)
	t.Run("Large", d.testLarge)
	t.Run("Named", d.testNamed)
	t.Run("Duplicates", d.testDuplicates)
	t.Run("Containment", d.testContainment)
	t.Run("Cancel", d.testCancel)
	t.Run("Delete", d.testDelete)
	if bounded {
		t.Run("Timeout", func(t *testing.T) { testStuck(t, stuck) })
	}
}

// canDetach reports whether b runs calls that nobody waits for.
func canDetach(b lambdapool.Backend) bool {
	_, events := b.(lambdapool.Detacher)
	s, store := b.(lambdapool.Storer)
	if able, ok := b.(interface{ CanDetach() error }); ok && able.CanDetach() != nil {
		return false
	}
	return events && store && s.Store() != nil
}

type detachedSuite struct{ backend lambdapool.Backend }

// start begins a run that is deleted with t. That it was deleted already is no error.
func start[A, R any](t *testing.T, e *lambdapool.Executor, fn *lambdapool.Func[A, R], args []A, opts ...lambdapool.MapOption) *lambdapool.Run[R] {
	t.Helper()
	run, err := lambdapool.MapDetached(short(t), e, fn, args, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.DeleteRun(context.Background(), run.ID()); err != nil && !errors.Is(err, lambdapool.ErrRunNotFound) {
			t.Errorf("delete: %v", err)
		}
	})
	return run
}

// testValues demands that each argument ends in its own value, in order, for the client that
// started the run and for another that knows only its name. That client stands for the same program
// after a crash: whatever it needs must be in the store.
//
// State must be right too: the chunks, how often one was delivered, when each began and ended.
// People look there to learn whether a run of hours goes on. A backend that forgets the agent's
// instance and request ID leaves them without a way to the logs.
func (d *detachedSuite) testValues(t *testing.T) {
	args := make([]int, 50)
	for i := range args {
		args[i] = i * i
	}
	run := start(t, executor(t, d.backend), echoInt, args, lambdapool.ChunkSize(7))
	if got, err := run.Wait(short(t)); err != nil || !slices.Equal(got, args) {
		t.Errorf("%v, %v", got, err)
	}
	// Another client, with nothing but the name.
	other, err := lambdapool.Attach(short(t), executor(t, d.backend), echoInt, run.ID())
	if err != nil {
		t.Fatal(err)
	}
	if got, err := lambdapool.Collect(short(t), other.Futures()...); err != nil || !slices.Equal(got, args) {
		t.Errorf("attached: %v, %v", got, err)
	}
	state, err := other.State(short(t))
	if err != nil || state.Succeeded != 50 || state.Deliveries != 8 || len(state.Chunks) != 8 || state.Bytes == 0 {
		t.Errorf("%+v, %v", state, err)
	}
	// The last chunk has what is left over: one call of fifty, by sevens.
	if c := state.Chunks[7]; c.First != 49 || c.Calls != 1 || c.State != "ended" || c.Started.IsZero() || c.Ended.Before(c.Started) {
		t.Errorf("%+v", c)
	}
	if place, err := run.Place(short(t), 49); err != nil || place.Instance == "" || place.RequestID == "" || place.At.IsZero() {
		t.Errorf("%+v, %v", place, err)
	}
}

// testFailures demands that errors and panics of a function are recorded like values, with
// sentinels, stack and request ID, and counted as failed. What is merely "failed" after a night is
// worth little: nobody can run it again under a debugger.
func (d *detachedSuite) testFailures(t *testing.T) {
	e := executor(t, d.backend)
	_, err := start(t, e, fail, []int{4}).Wait(short(t))
	var function *lambdapool.FunctionError
	if !errors.Is(err, errEmpty) || !errors.As(err, &function) || function.RequestID == "" {
		t.Errorf("%v", err)
	}
	run := start(t, e, panics, []int{5})
	_, err = run.Futures()[0].Result(short(t))
	if !errors.As(err, &function) || !function.Panic || !strings.Contains(function.Stack, "reachOut") {
		t.Errorf("%v", err)
	}
	if state, err := run.State(short(t)); err != nil || state.Failed != 1 || state.Succeeded != 0 {
		t.Errorf("%+v, %v", state, err)
	}
}

// testLarge sends arguments and results that no event has room for: an event carries
// EventLimits.Request bytes, on Lambda 1 MB. They must go by way of the store, in both directions,
// byte for byte. Run.Open must stream the result, so that a client needs no memory for it.
func (d *detachedSuite) testLarge(t *testing.T) {
	e := executor(t, d.backend, lambdapool.WithCompression(false))
	arg := make([]byte, 7<<20)
	for i := range arg {
		arg[i] = byte(i>>12 ^ i*i)
	}
	run := start(t, e, echoBytes, [][]byte{arg})
	for r := range run.Results(short(t)) {
		if r.Err != nil || !bytes.Equal(r.Value, arg) {
			t.Errorf("%d bytes, %v", len(r.Value), r.Err)
		}
	}
	body, err := run.Open(short(t), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	if got, err := io.ReadAll(body); err != nil || !bytes.Equal(got, arg) {
		t.Errorf("streamed: %d bytes, %v", len(got), err)
	}
}

// testNamed demands that a run which is started again under its name is the same run: nothing runs
// a second time. That is how a program goes on which was killed while it sent. With other arguments
// the answer is ErrRunExists, since the old results would be taken for the new ones.
func (d *detachedSuite) testNamed(t *testing.T) {
	e := executor(t, d.backend)
	const name = "backendtest-named"
	if err := e.DeleteRun(short(t), name); err != nil && !errors.Is(err, lambdapool.ErrRunNotFound) {
		t.Fatal(err)
	}
	args := []int{3, 1, 2}
	for range 2 {
		run := start(t, e, echoInt, args, lambdapool.RunName(name))
		if got, err := run.Wait(short(t)); err != nil || !slices.Equal(got, args) {
			t.Errorf("%v, %v", got, err)
		}
		if state, err := run.State(short(t)); err != nil || state.Deliveries != 3 {
			t.Errorf("%+v, %v", state, err)
		}
	}
	// One argument differs. Silently giving out the old results would be wrong, and so would a new
	// run.
	if _, err := lambdapool.MapDetached(short(t), e, echoInt, []int{3, 1, 5}, lambdapool.RunName(name)); !errors.Is(err, lambdapool.ErrRunExists) {
		t.Errorf("with other arguments: %v", err)
	}
}

// twice delivers every event two times, as a platform may that promises "at least once". Lambda
// does. A queue that takes the same bytes once gives both the same id.
type twice struct {
	lambdapool.Backend

	once *atomic.Int64 // events that were queued once all the same
}

func (b twice) InvokeEvent(ctx context.Context, r *lambdapool.Request) (string, error) {
	d := b.Backend.(lambdapool.Detacher)
	first, err := d.InvokeEvent(ctx, r)
	if err != nil {
		return first, err
	}
	second, err := d.InvokeEvent(ctx, r)
	if err == nil && second == first {
		b.once.Add(1)
	}
	return second, err
}

func (b twice) EventLimits() lambdapool.EventLimits {
	return b.Backend.(lambdapool.Detacher).EventLimits()
}

func (b twice) Store() lambdapool.Store { return b.Backend.(lambdapool.Storer).Store() }
func (b twice) StoreOption() string     { return b.Backend.(lambdapool.Storer).StoreOption() }

// testDuplicates demands that a function which is not idempotent runs once, however often it is
// delivered. The store decides: the claim of a chunk can be created once. A store that lets two
// create it lets every function run twice. What was delivered too often must be counted, so that
// State explains the bill.
func (d *detachedSuite) testDuplicates(t *testing.T) {
	var once atomic.Int64
	run := start(t, executor(t, twice{d.backend, &once}), wait, []time.Duration{0, time.Millisecond, 10 * time.Millisecond, 0})
	if got, err := run.Wait(short(t)); err != nil || !slices.Equal(got, []bool{true, true, true, true}) {
		t.Errorf("%v, %v", got, err)
	}
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		state, err := run.State(short(t))
		if err == nil && state.Deliveries == 4 && state.Duplicates == 4-int(once.Load()) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%+v, %v", state, err)
		}
	}
}

// testCancel demands that every call of a canceled run either has its value or says ErrCanceled,
// that Cancel returns how many say so, and that State and results agree. Cancelling races with the
// agents that begin chunks; the store decides each race once. A store that lets both win shows one
// client a value and another an error.
func (d *detachedSuite) testCancel(t *testing.T) {
	run := start(t, executor(t, d.backend), wait, slices.Repeat([]time.Duration{200 * time.Millisecond}, 40))
	canceled, err := run.Cancel(short(t))
	if err != nil {
		t.Fatal(err)
	}
	saying := 0
	for r := range run.Results(short(t)) {
		switch {
		case errors.Is(r.Err, lambdapool.ErrCanceled):
			saying++
		case r.Err != nil:
			t.Error(r.Err)
		}
	}
	state, err := run.State(short(t))
	if err != nil || saying != canceled || state.Canceled != canceled || state.Succeeded != 40-canceled {
		t.Errorf("%d canceled, %d say so: %+v, %v", canceled, saying, state, err)
	}
	// What is still queued would find nothing of a run that was deleted, and run.
	for deadline := time.Now().Add(patience); state.Deliveries+state.Duplicates < 40; time.Sleep(10 * time.Millisecond) {
		if state, err = run.State(short(t)); time.Now().After(deadline) {
			t.Fatalf("not delivered: %+v, %v", state, err)
		}
	}
}

// testDelete demands that a run is listed while it is there, and that nothing of it is left when it
// was deleted: what remains in a store is paid for each month. It checks List and Delete of the
// store in their everyday use.
func (d *detachedSuite) testDelete(t *testing.T) {
	e := executor(t, d.backend)
	run := start(t, e, echoInt, []int{1, 2, 3})
	if _, err := run.Wait(short(t)); err != nil {
		t.Error(err)
	}
	listed := func() (found bool) {
		for info, err := range e.Runs(short(t)) {
			if err != nil {
				t.Error(err)
			}
			found = found || info.ID == run.ID() && info.Calls == 3
		}
		return found
	}
	if !listed() {
		t.Error("it is not listed")
	}
	if err := e.DeleteRun(short(t), run.ID()); err != nil {
		t.Error(err)
	}
	left, err := d.backend.(lambdapool.Storer).Store().List(short(t), "runs/"+run.ID()+"/", "")
	if err != nil || len(left.Objects) > 0 || listed() {
		t.Errorf("left: %+v, %v", left, err)
	}
}

// testStuck demands that an agent records itself that its time was up, and keeps what was done
// until then: one item returns, the next ignores its context. If the agent is killed first, clients
// learn only that the chunk is lost, and the first item's value is gone with it.
func testStuck(t *testing.T, run *lambdapool.Run[bool]) {
	t.Helper()
	got, err := run.Wait(short(t))
	var item *lambdapool.ItemError
	if !got[0] || !errors.Is(err, lambdapool.ErrTimeout) || !errors.As(err, &item) || item.Index != 1 ||
		!strings.Contains(err.Error(), "item 2 of chunk 1") {
		t.Errorf("%v, %v", got, err)
	}
}
