package backendtest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/share"
	"github.com/lambdapool/lambdapool/splits"
)

// A dive is a call that calls itself.
type dive struct {
	Levels int           // that are below it
	Wide   int           // calls of each level at once; 0: one
	Wait   time.Duration // of the deepest
	Fails  bool          // the deepest

	Reads splits.Split // by the deepest, if it has a name
	Table share.Value[map[string]int]
}

var nest *lambdapool.Func[dive, int]

func init() { nest = lambdapool.Register("backendtest.Nest", nesting, lambdapool.Idempotent()) }

// nesting returns how many functions there are at the bottom.
func nesting(ctx context.Context, d dive) (int, error) {
	if d.Levels == 0 {
		return bottom(ctx, d)
	}
	e, err := lambdapool.FromContext(ctx)
	if err != nil {
		return 0, err
	}
	d.Levels--
	below := make([]dive, max(1, d.Wide))
	for i := range below {
		below[i] = d
	}
	counts, err := lambdapool.Map(ctx, e, nest, below)
	if err != nil {
		return 0, fmt.Errorf("level %d: %w", d.Levels+1, err)
	}
	sum := 0
	for _, n := range counts {
		sum += n
	}
	return sum, nil
}

// bottom is the deepest function.
func bottom(ctx context.Context, d dive) (int, error) {
	if d.Fails {
		return 0, &shelfError{3}
	}
	if _, err := waiting(ctx, d.Wait); err != nil {
		return 0, err
	}
	if d.Reads.Name == "" {
		return 1, nil
	}
	lines, err := readLines(ctx, d.Reads)
	if err != nil {
		return 0, err
	}
	table, err := d.Table.Get(ctx)
	return len(lines) * table["times"], err
}

// RunNested runs the conformance suite of calls from calls over b, as subtests of t, and blocks until all have ended: functions
// that call on the pool that they run in, by lambdapool.FromContext. [Run] includes it, unless [WithoutNested] says that
// functions cannot. Use it where only some clients of a backend can, because they import what that needs.
//
// Functions that wait hold their workers, so three invocations at once must be possible, or functions run in this process.
func RunNested(t *testing.T, b lambdapool.Backend) {
	t.Helper()
	for _, c := range []struct {
		name string
		run  func(*testing.T, lambdapool.Backend)
	}{
		{"Levels", testNestedLevels},
		{"Error", testNestedError},
		{"Depth", testNestedDepth},
		{"Room", testNestedRoom},
		{"Cancel", testNestedCancel},
		{"Data", testNestedData},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, b) })
	}
}

// testNestedLevels demands that functions can call functions that call functions, more than there are workers, and that none waits
// for ever for a worker that one above it holds.
func testNestedLevels(t *testing.T, b lambdapool.Backend) {
	e := executor(t, b)
	args := make([]dive, 20)
	for i := range args {
		args[i] = dive{Levels: 2, Wide: 3}
	}
	counts, err := lambdapool.Map(short(t), e, nest, args)
	if err != nil {
		t.Fatal(err)
	}
	for i, n := range counts {
		if n != 9 {
			t.Errorf("item %d: %d functions at the bottom, want 9", i, n)
		}
	}
	works(t, e)
}

// testNestedError demands that an error keeps its sentinel through each level. What the client gets is the error of the function
// that it has called.
func testNestedError(t *testing.T, b lambdapool.Backend) {
	e := executor(t, b)
	for levels := range 3 {
		_, err := lambdapool.Call(short(t), e, nest, dive{Levels: levels, Fails: true})
		var said *lambdapool.FunctionError
		if !errors.As(err, &said) || !errors.Is(err, errEmpty) || !strings.Contains(err.Error(), "shelf 3") {
			t.Errorf("from %d levels below: %v, want the function's error", levels, err)
		}
	}
	works(t, e)
}

// testNestedDepth demands that the depth travels: what calls itself for ever ends where the client's executor says.
func testNestedDepth(t *testing.T, b lambdapool.Backend) {
	e := executor(t, b, lambdapool.WithMaxDepth(1))
	if n, err := lambdapool.Call(short(t), e, nest, dive{Levels: 1}); n != 1 || err != nil {
		t.Errorf("one level: %d, %v", n, err)
	}
	if _, err := lambdapool.Call(short(t), e, nest, dive{Levels: 2}); !errors.Is(err, lambdapool.ErrTooDeep) {
		t.Errorf("two levels, where one is allowed: %v, want ErrTooDeep", err)
	}
}

// testNestedRoom demands that on one worker a call from a call has an end: it runs, or it fails because no worker can ever be free
// for it. It must not wait for its time to be up.
func testNestedRoom(t *testing.T, b lambdapool.Backend) {
	e := executor(t, b, lambdapool.WithWorkers(1))
	if n, err := lambdapool.Call(short(t), e, nest, dive{Levels: 1}); !errors.Is(err, lambdapool.ErrBadArguments) && (n != 1 || err != nil) {
		t.Errorf("%d, %v; want 1, or ErrBadArguments", n, err)
	}
}

// testNestedCancel demands that a call which is canceled ends those below it: what they hold is free for others, long
// before they would have ended. A platform on which requests cannot be taken back, such as Lambda, ends them when
// their time is up, so open the backend with a timeout of a few seconds there.
func testNestedCancel(t *testing.T, b lambdapool.Backend) {
	e := executor(t, b)
	ctx, cancel := context.WithCancel(short(t))
	defer cancel()
	f := lambdapool.Submit(ctx, e, nest, dive{Levels: 2, Wide: 2, Wait: time.Hour})
	time.Sleep(100 * time.Millisecond) // what has begun by then is no demand: a quick backend has come to the bottom
	cancel()
	if _, err := f.Result(short(t)); !errors.Is(err, lambdapool.ErrCanceled) {
		t.Errorf("%v, want ErrCanceled", err)
	}
	if n, err := lambdapool.Call(short(t), e, nest, dive{Levels: 2, Wide: 2}); n != 4 || err != nil {
		t.Errorf("the next call: %d, %v; want 4", n, err)
	}
}

// testNestedData demands that a function can pass on a split and a shared value to one that it calls: they carry their links.
func testNestedData(t *testing.T, b lambdapool.Backend) {
	s := storeOf(b)
	if s == nil {
		return // as Run has checked: see testStore
	}
	e := executor(t, b)
	store(t, s, dataKey+"lines", "a\nb\nc\n")
	table, err := share.Put(short(t), e, map[string]int{"times": 7})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := share.Delete(context.Background(), e, table); err != nil {
			t.Error(err)
		}
	}()
	parts, err := splits.Collect(splits.Stored(short(t), s, dataKey+"lines"))
	if err != nil || len(parts) != 1 {
		t.Fatalf("%v, %v", parts, err)
	}
	if n, err := lambdapool.Call(short(t), e, nest, dive{Levels: 1, Reads: parts[0], Table: table}); n != 21 || err != nil {
		t.Errorf("%d, %v; want three lines times seven", n, err)
	}
}

// testNoNested demands that where functions cannot call, they are told so, with a way out.
func testNoNested(t *testing.T, b lambdapool.Backend) {
	e := executor(t, b)
	_, err := lambdapool.Call(short(t), e, nest, dive{Levels: 1})
	if !errors.Is(err, lambdapool.ErrBadArguments) || !strings.Contains(err.Error(), "executor from context") {
		t.Errorf("%v, want ErrBadArguments of FromContext", err)
	}
	works(t, e)
}
