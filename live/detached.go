package live

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/internal/detached"
	"github.com/lambdapool/lambdapool/internal/english"
	"github.com/lambdapool/lambdapool/internal/legible"
)

// maxDetached is how many detached runs are listed: each costs requests to the store.
const maxDetached = 25

// askTimeout bounds what the page asks of the store.
const askTimeout = time.Minute

// detachedRuns is what the store was found to have. It is asked when somebody presses the button.
type detachedRuns struct {
	mu     sync.Mutex
	listed []detachedRow
	notice string
}

type detachedRow struct {
	ID      string `json:"id"`
	Func    string `json:"func"`
	Created string `json:"created"`
	State   string `json:"state"`
	Ended   bool   `json:"ended"`
	Failed  bool   `json:"failed"`
}

func (d *detachedRuns) rows() ([]detachedRow, string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]detachedRow{}, d.listed...), d.notice
}

func (d *detachedRuns) set(rows []detachedRow, notice string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.listed, d.notice = rows, notice
}

// list asks the stores of all open executors for their runs, the newest last.
func (w *watch) list(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	var rows []detachedRow
	notice := ""
	for _, e := range w.open() {
		for info, err := range e.Runs(ctx) {
			if err != nil {
				notice = legible.Line(err.Error())
				continue
			}
			if len(rows) == maxDetached {
				notice = fmt.Sprintf("the first %d runs are shown; lambdapool runs list has all", maxDetached)
				break
			}
			rows = append(rows, describe(ctx, e, info))
		}
	}
	if notice == "" {
		notice = english.Count(len(rows), "detached run") + " in the store"
	}
	w.detached.set(rows, notice)
	w.changed()
}

// describe looks how far a run is.
func describe(ctx context.Context, e *lambdapool.Executor, info lambdapool.RunInfo) detachedRow {
	state, err := stateOf(ctx, e, info.ID)
	row := rowOf(info, state)
	if err != nil {
		row.State = legible.Line(err.Error())
	}
	return row
}

// rowOf says how far a run is.
func rowOf(info lambdapool.RunInfo, state lambdapool.RunState) detachedRow {
	row := detachedRow{ID: info.ID, Func: legible.Line(info.Func), Created: info.Created.Local().Format("2 Jan 15:04")}
	row.Ended = state.Queued+state.Running == 0 && state.Sent == info.Calls
	row.Failed = state.Failed > 0
	row.State = fmt.Sprintf("%s of %s succeeded", english.Number(state.Succeeded), english.Number(info.Calls))
	for _, part := range []struct {
		n    int
		what string
	}{{state.Running, "running"}, {state.Queued, "queued"}, {state.Failed, "failed"}, {state.Canceled, "canceled"}, {state.Expired, "expired"}} {
		if part.n > 0 {
			row.State += ", " + english.Number(part.n) + " " + part.what
		}
	}
	return row
}

func stateOf(ctx context.Context, e *lambdapool.Executor, id string) (lambdapool.RunState, error) {
	run, err := e.AttachEncoded(ctx, id)
	if err != nil {
		return lambdapool.RunState{}, err
	}
	defer run.Close() //nolint:errcheck // it returns nil
	return run.State(ctx)
}

// Follow shows how far a detached run is, again and again, and blocks until all of its calls have
// ended or ctx has. e is an executor on the run's backend. A run costs one listing of the store each
// time: often while something moves, and seldom while nothing does. The error is that of
// lambdapool.Attach or Run.State, or says that ctx has ended; the run goes on.
func (p *Page) Follow(ctx context.Context, e *lambdapool.Executor, id string) error {
	if e == nil {
		return errors.New("live: follow: the executor is nil")
	}
	run, err := e.AttachEncoded(ctx, id)
	if err != nil {
		return err
	}
	defer run.Close() //nolint:errcheck // it returns nil
	p.watch.opened(e)
	var poll detached.Poll
	last := ""
	for {
		began := time.Now()
		state, err := run.State(ctx)
		if err != nil {
			return err
		}
		row := rowOf(run.Info(), state)
		p.watch.detached.set([]detachedRow{row}, "")
		p.watch.changed()
		if row.Ended {
			return nil
		}
		pause := time.NewTimer(poll.Next(row.State != last, time.Since(began)))
		last = row.State
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return fmt.Errorf("live: follow %s: %w; the run goes on", id, context.Cause(ctx))
		}
	}
}

// cancel cancels a detached run.
func (w *watch) cancel(ctx context.Context, id string) {
	w.change(ctx, id, func(ctx context.Context, run *lambdapool.Run[lambdapool.Encoded]) (string, error) {
		n, err := run.Cancel(ctx)
		return fmt.Sprintf("%s: canceled %s", id, english.Count(n, "call")), err
	})
}

// retry runs again what failed of a detached run.
func (w *watch) retry(ctx context.Context, id string) {
	w.change(ctx, id, func(ctx context.Context, run *lambdapool.Run[lambdapool.Encoded]) (string, error) {
		again, err := run.RetryFailed(ctx)
		if err != nil {
			return "", err
		}
		defer again.Close() //nolint:errcheck // it returns nil
		return fmt.Sprintf("%s: %s again, as %s", id, english.Count(again.Len(), "call"), again.ID()), nil
	})
}

// change does something to a detached run, says what came of it, and lists the runs again.
func (w *watch) change(ctx context.Context, id string, do func(context.Context, *lambdapool.Run[lambdapool.Encoded]) (string, error)) {
	within, done := context.WithTimeout(ctx, askTimeout)
	defer done()
	notice := "there is no run " + legible.Quote(id)
	for _, e := range w.open() {
		run, err := e.AttachEncoded(within, id)
		if errors.Is(err, lambdapool.ErrRunNotFound) {
			continue
		}
		if err == nil {
			notice, err = do(within, run)
			_ = run.Close() // it returns nil
		}
		if err != nil {
			notice = legible.Line(err.Error())
		}
		break
	}
	w.list(ctx)
	rows, _ := w.detached.rows()
	w.detached.set(rows, notice)
	w.changed()
}

// open returns the executors that can be asked.
func (w *watch) open() []*lambdapool.Executor {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]*lambdapool.Executor(nil), w.executors...)
}
