package lambdapool_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/inproc"
	"github.com/lambdapool/lambdapool/codec"
)

// foreign describes a function as its agent would.
func foreign(t *testing.T, name string) lambdapool.Foreign {
	t.Helper()
	f, ok := lambdapool.DefaultRegistry.Lookup(name)
	if !ok {
		t.Fatalf("%s is not registered", name)
	}
	return lambdapool.Foreign{Name: name, Shape: f.Shape(), Signature: f.Signature()}
}

func encodedInt(t *testing.T, n int) lambdapool.Encoded {
	t.Helper()
	typ, err := codec.TypeOf(reflect.TypeFor[int]())
	if err != nil {
		t.Fatal(err)
	}
	data, err := codec.Marshal([]*codec.Type{typ}, []reflect.Value{reflect.ValueOf(n)})
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// stranger has the backend, and no function.
func stranger(t *testing.T, b lambdapool.Backend) *lambdapool.Executor {
	t.Helper()
	e, err := lambdapool.New(b, lambdapool.WithRegistry(lambdapool.NewRegistry()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() }) // returns nil
	return e
}

func TestARunOfAFunctionThatOneDoesNotHave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := inproc.New()
		e := executor(t, b) // whose registry serves
		args := []lambdapool.Encoded{encodedInt(t, 4), encodedInt(t, -1), encodedInt(t, 10)}
		run, err := e.MapDetachedEncoded(t.Context(), foreign(t, half.Name()), args, lambdapool.ChunkSize(2))
		if err != nil {
			t.Fatal(err)
		}
		typed, err := lambdapool.Attach(t.Context(), e, half, run.ID())
		if err != nil {
			t.Fatal(err)
		}
		if got, err := typed.Wait(t.Context()); !cmp.Equal(got, []int{2, 0, 5}) || !errors.Is(err, errNegative) {
			t.Errorf("with the function: %v, %v", got, err)
		}
		other, err := stranger(t, b).AttachEncoded(t.Context(), run.ID())
		if err != nil {
			t.Fatal(err)
		}
		var function *lambdapool.FunctionError
		got, err := other.Wait(t.Context())
		if want := []lambdapool.Encoded{encodedInt(t, 2), nil, encodedInt(t, 5)}; !cmp.Equal(got, want) || !errors.As(err, &function) {
			t.Errorf("without: %v, %v", got, err)
		}
	})
}

func TestForeignFunctionsAreChecked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := executor(t, inproc.New())
		for _, f := range []lambdapool.Foreign{{}, {Name: "x"}, {Name: "a\x00b", Signature: "func()"}} {
			if _, err := e.MapDetachedEncoded(t.Context(), f, nil); !errors.Is(err, lambdapool.ErrBadArguments) {
				t.Errorf("%+v: %v", f, err)
			}
		}
		if _, err := e.AttachEncoded(t.Context(), "none"); !errors.Is(err, lambdapool.ErrRunNotFound) {
			t.Errorf("attach: %v", err)
		}
		var none *lambdapool.Executor
		_, attach := none.AttachEncoded(t.Context(), "none")
		_, start := none.MapDetachedEncoded(t.Context(), lambdapool.Foreign{}, nil)
		if !errors.Is(attach, lambdapool.ErrBadArguments) || !errors.Is(start, lambdapool.ErrBadArguments) {
			t.Errorf("without an executor: %v, %v", attach, start)
		}
	})
}

// The first calls are the slowest, so that nothing ends in the order of the input.
var backwards = lambdapool.Register("test.backwards", func(ctx context.Context, n int) (int, error) {
	select {
	case <-time.After(time.Duration(1000-n) * time.Second / 4):
		return n, nil
	case <-ctx.Done():
		return 0, ctx.Err()
	}
})

func TestResultsInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 200
		b := inproc.New(inproc.WithConcurrency(n))
		e := executor(t, b)
		run, err := lambdapool.MapDetached(t.Context(), e, backwards, numbers(n))
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(220 * time.Second) // some have ended
		some := indexes(t, run.Recorded(t.Context()))
		if len(some) == 0 || len(some) == n || !slices.IsSorted(some) || some[len(some)-1] != n-1 {
			t.Errorf("recorded: %v", some)
		}
		if got := indexes(t, run.InOrder(t.Context())); !cmp.Equal(got, numbers(n)) {
			t.Errorf("in order: %v", got)
		}
		if got := indexes(t, run.Recorded(t.Context())); !cmp.Equal(got, numbers(n)) {
			t.Errorf("recorded: %v", got)
		}
		for r := range run.InOrder(t.Context()) {
			if r.Index == 3 {
				break
			}
		}
	})
}

func indexes(t *testing.T, results func(func(lambdapool.Result[int]) bool)) (all []int) {
	t.Helper()
	for r := range results {
		if r.Err != nil || r.Value != r.Index {
			t.Errorf("%+v", r)
		}
		all = append(all, r.Index)
	}
	return all
}

func TestResultsInOrderEndWithTheirContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := inproc.New(inproc.WithConcurrency(10))
		e := executor(t, b)
		defer b.Close()
		run, err := lambdapool.MapDetached(t.Context(), e, backwards, numbers(10))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		var last lambdapool.Result[int]
		for last = range run.InOrder(ctx) {
		}
		if last.Index != -1 || !errors.Is(last.Err, lambdapool.ErrTimeout) {
			t.Errorf("%+v", last)
		}
	})
}

// What the platform dropped is not "queued" once its time is over, whoever looks.
func TestWhatWasDroppedCountsAsExpired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newCourier()
		b.deliver = func(n int) int { return n % 2 }
		run, err := lambdapool.MapDetached(t.Context(), executor(t, b), double, numbers(4), lambdapool.StartWithin(time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Minute)
		before, err := run.State(t.Context())
		if err != nil || before.Expired != 2 || before.Queued != 0 {
			t.Errorf("before anybody asked for results: %+v, %v", before, err)
		}
		expired := 0
		for r := range run.Recorded(t.Context()) {
			if errors.Is(r.Err, lambdapool.ErrExpired) {
				expired++
			}
		}
		after, err := run.State(t.Context())
		if err != nil || expired != 2 || after.Expired != 2 || after.Succeeded != 2 {
			t.Errorf("%d expired, then %+v, %v", expired, after, err)
		}
	})
}

// A program that was not compiled with a function reads a run of it.
func ExampleExecutor_AttachEncoded() {
	ctx := context.Background()
	b := inproc.New()
	defer b.Close()
	e, err := lambdapool.New(b)
	if err != nil {
		panic(err)
	}
	defer e.Close()
	run, err := lambdapool.SubmitDetached(ctx, e, double, 21)
	if err != nil {
		panic(err)
	}
	encoded, err := e.AttachEncoded(ctx, run.ID())
	if err != nil {
		panic(err)
	}
	for result := range encoded.Results(ctx) {
		fmt.Printf("%s of %s: %x\n", encoded.Info().Func, encoded.Info().Signature, result.Value)
	}
	// Output: test.double of func(int) int: 2a
}
