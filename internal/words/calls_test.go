package words_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lambdapool/lambdapool"
)

// chapters are the same for each backend, and written at the same time: most of it is waiting.
func (b *book) chapters(open map[string]func(timeout time.Duration) lambdapool.Backend, names ...string) {
	texts := map[string]*book{}
	for _, name := range names {
		texts[name] = &book{}
	}
	b.t.Run("calls", func(t *testing.T) {
		for name, text := range texts {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				text.t = t
				text.calls(open[name])
			})
		}
	})
	for _, name := range names {
		b.chapter(name)
		b.text.WriteString(texts[name].text.String())
	}
}

// calls fail on their way, or in the function.
func (b *book) calls(open func(timeout time.Duration) lambdapool.Backend) {
	ctx := b.t.Context()
	backend := open(3 * time.Second)
	e := executor(b.t, backend)
	b.add("error", submit(ctx, e, fails, 7))
	b.add("panic", submit(ctx, e, panics, 7))
	b.add("Goexit", submit(ctx, e, exits, 7))
	b.add("result that cannot be encoded", submit(ctx, e, loops, 7))
	slept := answered("sleep: ", func() error { return submit(ctx, e, sleeps, nap{For: time.Minute}) })
	ignored := answered("ignores its context", func() error { return submit(ctx, e, deaf, 5*time.Second) })
	b.add("deadline of the context", tooLate(func(h *held, d time.Duration) error {
		short, cancel := context.WithTimeout(ctx, d)
		defer cancel()
		return submit(short, executor(b.t, h), deaf, time.Duration(0))
	}, backend))
	stopped, stop := context.WithCancel(ctx)
	sign := filepath.Join(b.t.TempDir(), "sign")
	running := e.Submit(stopped, sleeps, nap{time.Minute, sign})
	appears(sign)
	stop()
	b.add("canceled while it ran", call(running, running.Done()))
	b.add("WithTimeout", tooLate(func(h *held, d time.Duration) error {
		return submit(ctx, executor(b.t, h, lambdapool.WithTimeout(d)), deaf, time.Duration(0))
	}, backend))
	b.add("timeout of the function", <-slept)
	b.add("timeout of the function, which is deaf", <-ignored)
	_, err := lambdapool.Map(ctx, e, fails, make([]int, 12), lambdapool.ContinueOnError(), lambdapool.ChunkSize(4))
	b.add("map of errors", err)
	one := executor(b.t, backend, lambdapool.WithWorkers(1))
	sign = filepath.Join(b.t.TempDir(), "sign")
	f := lambdapool.Submit(ctx, one, sleeps, nap{time.Minute, sign})
	g := lambdapool.Submit(ctx, one, sleeps, nap{For: time.Minute})
	appears(sign)
	one.Close()
	b.add("Close while it ran", f.Err())
	b.add("Close before it ran", g.Err())
	if c, ok := backend.(interface{ Close() error }); ok {
		c.Close()
		b.add("backend closed", submit(ctx, e, works, 1))
	}
}

// A held backend keeps what an agent answers until the call has ended, so that the call's own time
// is up before that however slow the machine is.
type held struct {
	lambdapool.Backend

	sent  atomic.Bool
	ended chan struct{}
}

func (h *held) Invoke(ctx context.Context, r *lambdapool.Request) (*lambdapool.Response, error) {
	h.sent.Store(true)
	response, err := h.Backend.Invoke(ctx, r)
	<-h.ended
	return response, err
}

// tooLate returns the error of a call that was sent and whose time d was up. A call that a busy machine
// did not even send gets more.
func tooLate(call func(h *held, d time.Duration) error, b lambdapool.Backend) error {
	for d := 50 * time.Millisecond; ; d *= 2 {
		h := &held{Backend: b, ended: make(chan struct{})}
		err := call(h, d)
		close(h.ended)
		if h.sent.Load() {
			return err
		}
	}
}

// answered calls until the agent's own words about the function's timeout have arrived: on a busy machine the
// platform may end it before.
func answered(words string, call func() error) <-chan error {
	answer := make(chan error, 1)
	go func() {
		err := call()
		for range 20 {
			if strings.Contains(err.Error(), words) {
				break
			}
			err = call()
		}
		answer <- err
	}()
	return answer
}

// appears waits for a file, as long as the test may take.
func appears(path string) {
	for {
		if _, err := os.Stat(path); err == nil {
			return
		}
		time.Sleep(time.Millisecond)
	}
}
