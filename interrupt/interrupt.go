// Package interrupt ends a program's calls as people expect of Ctrl-C: the first has what runs come to its end and
// nothing else begun, the second abandons what runs.
//
//	pool, err := backend.NewExecutor(ctx, url)
//	…
//	defer pool.Close()
//	ctx, stop := interrupt.Context(ctx, pool, os.Stderr)
//	defer stop()
//	results, err := lambdapool.Map(ctx, pool, resize, images) // and so on, with this context
//
// With signal.NotifyContext alone the first Ctrl-C abandons all calls: the context ends, and what runs on Lambda runs on
// and is paid for, for nobody. That is right where a program must end at once.
//
// It is a package of its own since agents, which link package lambdapool, have no signals to wait for.
package interrupt

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/internal/english"
)

// ErrInterrupted is the cause of a context that a second interrupt has ended: context.Cause returns it, and errors.Is
// finds it in the errors of calls.
var ErrInterrupted = errors.New("interrupted")

// Context returns a context for the calls of pool, and takes over the signals of an interrupt, os.Interrupt and
// SIGTERM, until stop is called or ctx ends. Call stop when the calls have ended, for instance by defer.
//
//   - The first interrupt calls [lambdapool.Executor.Drain]: pool takes no new calls, those that no worker has taken end
//     with lambdapool.ErrCanceled, and those that run come to their end. So a [lambdapool.Map] returns when these have,
//     with an error; a journal has recorded their results.
//   - The second ends the context with [ErrInterrupted]: calls that run are abandoned. On Lambda and Cloud Run their
//     functions run on, and cost, until they return or their time is up. On package local they end with the program.
//   - After the second the signals do what they did before: the third ends the process.
//
// What happens, and how many calls it concerns, is written to w, a line for each interrupt. Nil is for silence. Detached
// runs go on whatever happens. Several pools need a context each, and each is told of every interrupt.
//
// It does not block, and neither does stop, which waits for no call.
func Context(ctx context.Context, pool *lambdapool.Executor, w io.Writer) (_ context.Context, stop context.CancelFunc) {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	return watch(ctx, pool, w, signals, func() { signal.Stop(signals) })
}

// Seen reports whether an interrupt has come since ctx was returned by [Context], or the context that it is derived
// from. Use it to tell an interrupt from other failures, as for an exit status.
func Seen(ctx context.Context) bool {
	seen, ok := ctx.Value(key{}).(*atomic.Bool)
	return ok && seen.Load()
}

type key struct{}

// watch is Context with signals from anywhere.
func watch(parent context.Context, pool *lambdapool.Executor, w io.Writer, signals <-chan os.Signal, release func()) (context.Context, context.CancelFunc) {
	seen := new(atomic.Bool)
	ctx, cancel := context.WithCancelCause(context.WithValue(parent, key{}, seen))
	release = sync.OnceFunc(release)
	if w == nil {
		w = io.Discard
	}
	go func() {
		defer release()
		select {
		case <-signals:
		case <-ctx.Done():
			return
		}
		seen.Store(true)
		s := pool.Stats()
		fmt.Fprintf(w, "interrupted: %s, %s; interrupt again to abandon what runs\n",
			counted(s.Running, "runs and is waited for", "run and are waited for"), counted(s.Queued, "that waits is canceled", "that wait are canceled"))
		go func() { _ = pool.Drain(ctx) }() // which ends with the calls, or ctx
		select {
		case <-signals:
		case <-ctx.Done():
			return
		}
		cancel(ErrInterrupted)
		fmt.Fprintf(w, "abandoned: %s; a function that has begun on a cloud runs on, and costs, until it returns or its time is up\n",
			counted(pool.Stats().Running, "may run on", "may run on"))
	}()
	return ctx, func() { cancel(context.Canceled) }
}

// counted says what becomes of n calls.
func counted(n int64, one, many string) string {
	if n == 1 {
		return "1 call " + one
	}
	return english.Count(int(n), "call") + " " + many
}
