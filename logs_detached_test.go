package lambdapool_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/inproc"
)

// logging is an executor's option, and what its logger gets.
func logging() (lambdapool.Option, *printed) {
	p := new(printed)
	return lambdapool.WithLogger(slog.New(slog.NewTextHandler(p, &slog.HandlerOptions{Level: slog.LevelDebug}))), p
}

// Lines are recorded with the results: each client that fetches these hears them, of values as of what failed.
func TestLogsOfADetachedRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		silence(t)
		b := newCourier()
		toOne, one := logging()
		toOther, other := logging()
		hows := []string{"works", "fails", "panics", "many"}
		run, err := lambdapool.MapDetached(t.Context(), executor(t, b, toOne), talk, hows, lambdapool.RunName("nightly"), lambdapool.ChunkSize(2),
			lambdapool.WithLogs(lambdapool.Logs{Lines: 10}))
		if err != nil {
			t.Fatal(err)
		}
		attached, err := lambdapool.Attach(t.Context(), executor(t, b, toOther), talk, "nightly")
		if err != nil {
			t.Fatal(err)
		}
		for who, r := range map[string]*lambdapool.Run[string]{"starter": run, "attached": attached} {
			heard := map[string]*printed{"starter": one, "attached": other}[who]
			if got := heard.lines("how="); len(got) != 0 {
				t.Errorf("%s: it hears %q before results are fetched", who, got)
			}
			values, err := r.Wait(t.Context())
			if len(values) != len(hows) || values[0] != "works" {
				t.Errorf("%s: %q, %v", who, values, err)
			}
			texts := map[int]string{}
			for item := range lambdapool.ItemErrors(err) {
				texts[item.Index] = fmt.Sprintf("%+v", item)
			}
			for i, want := range map[int]string{1: "INFO first how=fails n=1", 2: `WARN second \x1b[2J how=panics disk.free=2s`, 3: "(92 lines before had no room)"} {
				if !strings.Contains(texts[i], want) {
					t.Errorf("%s: %q is not in\n%s", who, want, texts[i])
				}
			}
			for i, how := range hows[:3] {
				if got := heard.lines("msg=first", "func=test.talk", "run=nightly", "how="+how, fmt.Sprintf("item=%d ", i), "level=INFO"); len(got) != 1 {
					t.Errorf("%s: its logger has %q of %s", who, got, how)
				}
			}
			if got := heard.lines("dropped=92", "run=nightly", "item=3"); len(got) != 1 {
				t.Errorf("%s: its logger says %q of what was dropped", who, got)
			}
			if got := heard.lines("too fine"); len(got) != 0 {
				t.Errorf("%s: too fine lines have travelled: %q", who, got)
			}
		}
	})
}

// What an agent had no time to begin is sent again with the same wishes, and says the same of its items.
func TestLogsOfADetachedRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		silence(t)
		to, heard := logging()
		w := newWorkshop()
		spoken := lambdapool.RegisterIn(w.reg, "spoken", speak)
		const calls = 30 // of a second each, and an agent has ten
		run, err := lambdapool.MapDetached(t.Context(), executor(t, short(), to, lambdapool.WithRegistry(w.reg)), spoken, numbers(calls),
			lambdapool.ChunkSize(calls), lambdapool.Parallel(1), lambdapool.WithLogs(lambdapool.Logs{}))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := run.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		for i := range calls {
			if got := heard.lines("msg=speaks", fmt.Sprintf("item=%d n=%d\n", i, i), "run="+run.ID()); len(got) != 1 {
				t.Errorf("item %d: %q", i, got)
			}
		}
	})
}

// Nothing is recorded of logs where nobody asks. The executor's own wish holds for its detached runs as well.
func TestLogsOfADetachedRunByTheExecutor(t *testing.T) {
	for _, asked := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			silence(t)
			to, heard := logging()
			opts := []lambdapool.Option{to}
			if asked {
				opts = append(opts, lambdapool.WithLogs(lambdapool.Logs{}))
			}
			run, err := lambdapool.SubmitDetached(t.Context(), executor(t, newCourier(), opts...), talk, "fails")
			if err != nil {
				t.Fatal(err)
			}
			_, err = run.Wait(t.Context())
			var said *lambdapool.FunctionError
			if !errors.As(err, &said) || (said.LogTail != "") != asked || (len(heard.lines("msg=first", "item=0")) == 1) != asked {
				t.Errorf("asked: %v; %+v; the logger has %q", asked, err, heard.lines("msg=first"))
			}
		})
	}
}

// A run that has begun records what was asked for then: whoever attaches to it is told so.
func TestAttachRefusesWithLogs(t *testing.T) {
	e := executor(t, inproc.New())
	_, err := lambdapool.Attach(t.Context(), e, talk, "nightly", lambdapool.WithLogs(lambdapool.Logs{}))
	wantErr(t, err, lambdapool.ErrBadArguments)
	if err == nil || !strings.Contains(err.Error(), "WithLogs: the run has begun") {
		t.Errorf("%v", err)
	}
}

// speak takes a second, and logs one line.
func speak(ctx context.Context, n int) (int, error) {
	lambdapool.Logger(ctx).InfoContext(ctx, "speaks", "n", n)
	time.Sleep(time.Second)
	return n, nil
}
