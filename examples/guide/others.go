package main

import (
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/lambdapool/lambdapool"
)

// Square is what all examples call.
var Square = lambdapool.Register("guide.square", func(_ context.Context, n int) (int, error) { return n * n, nil })

func init() {
	lambdapool.RegisterFunc("guide.pow", func(base, exponent int) int {
		result := 1
		for range exponent {
			result *= base
		}
		return result
	})
}

// multiprocessing is for those who know multiprocessing.Pool.
func multiprocessing(ctx context.Context, pool *lambdapool.Executor, w io.Writer) error {
	squares, err := lambdapool.Map(ctx, pool, Square, []int{1, 2, 3}) // pool.map(square, [1, 2, 3])
	fmt.Fprintln(w, squares, err)                                     // [1 4 9] <nil>

	for square, err := range lambdapool.Stream(ctx, pool, Square, slices.Values([]int{1, 2, 3})) { // pool.imap(square, …)
		fmt.Fprintln(w, square, err) // 1 <nil>, 4 <nil>, 9 <nil>
	}

	powers, err := lambdapool.StarMap(ctx, pool, "guide.pow", [][]any{{2, 3}, {3, 2}}) // pool.starmap(pow, [(2, 3), (3, 2)])
	fmt.Fprintln(w, powers, err)                                                       // [8 9] <nil>
	return err
}

// concurrentFutures is for those who know concurrent.futures.
func concurrentFutures(ctx context.Context, pool *lambdapool.Executor, w io.Writer) error {
	f := lambdapool.Submit(ctx, pool, Square, 4) // f = pool.submit(square, 4)
	g := lambdapool.Submit(ctx, pool, Square, 5)
	for done := range lambdapool.AsCompleted(ctx, f, g) { // for done in as_completed([f, g]):
		if _, err := done.Result(ctx); err != nil { // done.result()
			return err
		}
	}
	done, pending := lambdapool.Wait(ctx, lambdapool.AllCompleted, f, g) // wait([f, g], return_when=ALL_COMPLETED)
	fmt.Fprintln(w, len(done), len(pending))                             // 2 0
	return nil
}

// lithops is for those who know lithops.
func lithops(ctx context.Context, pool *lambdapool.Executor, w io.Writer) error {
	run, err := lambdapool.MapDetached(ctx, pool, Square, []int{1, 2, 3}, lambdapool.RunName("squares")) // fexec.map(square, [1, 2, 3])
	if err != nil {
		return err
	}
	squares, err := run.Wait(ctx) // fexec.get_result()
	fmt.Fprintln(w, squares, err) // [1 4 9] <nil>
	return err
}

// modal is for those who know Modal.
func modal(ctx context.Context, pool *lambdapool.Executor, w io.Writer) error {
	square, err := lambdapool.Call(ctx, pool, Square, 6) // square.remote(6)
	fmt.Fprintln(w, square, err)                         // 36 <nil>

	f := lambdapool.Submit(ctx, pool, Square, 7) // call = square.spawn(7)
	square, err = f.Result(ctx)                  // call.get()
	fmt.Fprintln(w, square, err)                 // 49 <nil>
	return err
}

// group is for those who know errgroup.
func group(ctx context.Context, pool *lambdapool.Executor, w io.Writer) error {
	numbers := []int{1, 2, 3}
	squares, err := lambdapool.Map(ctx, pool, Square, numbers) // the first error cancels the others, as errgroup.WithContext does
	if err != nil {
		return err // an ItemError: it says which
	}
	fmt.Fprintln(w, squares) // [1 4 9]
	return nil
}
