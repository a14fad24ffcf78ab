package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/price"
	"github.com/lambdapool/lambdapool/progress"
)

// estimate says what a run would cost before it begins.
func estimate(w io.Writer) error {
	items, each := 1_000_000, 20*time.Millisecond // as measured by a few calls
	perInvocation := 50                           // what the pool makes of items as short as that

	seconds := price.GBSeconds(1769<<20, time.Duration(items)*each)
	dollars := price.Cost(seconds, int64(items/perInvocation), price.ARM)
	fmt.Fprintln(w, price.Format(dollars)) // $0.465
	return nil
}

// chunked leaves the size of chunks to the pool, and then chooses it.
func chunked(ctx context.Context, pool *lambdapool.Executor, w io.Writer) error {
	words := []string{"1", "2", "3", "4", "5", "6"}
	if _, err := lambdapool.Map(ctx, pool, Parse, words); err != nil { // the pool measures and chooses
		return err
	}
	invocations := 0
	_, err := lambdapool.Map(ctx, pool, Parse, words, lambdapool.ChunkSize(2),
		lambdapool.Progress(func(s lambdapool.Snapshot) { invocations = s.Invocations }))
	fmt.Fprintln(w, invocations, err) // 3 <nil>
	return err
}

// bounded stops a run that costs more than it should, and shows a bar with the cost so far.
func bounded(ctx context.Context, pool *lambdapool.Executor, w io.Writer) error {
	_, err := lambdapool.Map(ctx, pool, Parse, []string{"1", "2", "3"},
		lambdapool.WithBudget(lambdapool.Budget{Dollars: 5}),
		progress.Bar(os.Stderr))
	fmt.Fprintln(w, errors.Is(err, lambdapool.ErrBudget), err) // false <nil>
	return err
}
