package local_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/local"
	"github.com/lambdapool/lambdapool/codec"
)

func TestInvokeEvent(t *testing.T) {
	t.Parallel()
	b := open(t, as("handler"), local.WithEventRetries(time.Hour, time.Millisecond))
	want := lambdapool.EventLimits{Request: codec.MaxEventRequest, Age: time.Hour, Retries: 1}
	if diff := cmp.Diff(want, b.EventLimits()); diff != "" {
		t.Error(diff)
	}
	path := t.TempDir() + "/runs"
	payload := must(json.Marshal(job{Do: "touch and sleep", Text: path}))
	id, err := b.InvokeEvent(t.Context(), &lambdapool.Request{Payload: payload})
	if err != nil || id == "" {
		t.Errorf("id %q, error %v", id, err)
	}
	eventually(t, "it has run", func() bool { return runs(path) == 1 })
	_, err = b.InvokeEvent(t.Context(), &lambdapool.Request{Payload: jsonString(codec.MaxEventRequest + 1)})
	if !errors.Is(err, lambdapool.ErrTooLarge) {
		t.Errorf("too large: %v", err)
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	_, err = b.InvokeEvent(t.Context(), &lambdapool.Request{Payload: payload})
	if ierr, ok := errors.AsType[*lambdapool.InvokeError](err); !ok || !errors.Is(err, lambdapool.ErrClosed) || ierr.Outcome != lambdapool.OutcomeNotRun {
		t.Errorf("after Close: %v", err)
	}
}

// The death of its agent is an error of the function: the event runs again in another one.
func TestEventsOutliveTheirAgents(t *testing.T) {
	t.Parallel()
	var log lockedBuffer
	b := open(t, as("handler"), local.WithEventRetries(time.Hour, time.Millisecond, time.Millisecond),
		local.WithTimeout(300*time.Millisecond), local.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
	path := t.TempDir() + "/runs"
	event(t, b, job{Do: "touch and sleep", Text: path, N: 60_000}) // until it is killed
	eventually(t, "it is dropped", func() bool { return strings.Contains(log.String(), `why="out of retries"`) })
	if n := runs(path); n != 3 {
		t.Errorf("%d runs, want 3", n)
	}
}

// An event that nothing can run is dropped when it is too old, not when something can.
func TestEventsGrowOldInTheQueue(t *testing.T) {
	t.Parallel()
	var log lockedBuffer
	b := open(t, as("handler"), local.WithConcurrency(1),
		local.WithEventRetries(50*time.Millisecond), local.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
	dir := t.TempDir()
	event(t, b, job{Do: "touch and sleep", Text: dir + "/first", N: 60_000})
	eventually(t, "the first runs", func() bool { return runs(dir+"/first") == 1 })
	event(t, b, job{Do: "touch and sleep", Text: dir + "/second"})
	eventually(t, "the second is dropped", func() bool { return strings.Contains(log.String(), `why="too old"`) })
	if n := runs(dir + "/second"); n != 0 {
		t.Errorf("%d runs of what was dropped", n)
	}
}

func TestEventFaults(t *testing.T) {
	t.Parallel()
	const sent = 40
	for _, tt := range []struct {
		faults local.Faults
		kind   local.Fault
		runs   func(faults int) int
	}{
		{local.Faults{Seed: 3, EventDrop: 0.5}, local.FaultEventDrop, func(n int) int { return sent - n }},
		{local.Faults{Seed: 3, EventDuplicate: 0.5}, local.FaultEventDuplicate, func(n int) int { return sent + n }},
		{local.Faults{Seed: 3, EventCrash: 0.5}, local.FaultEventCrash, func(int) int { return sent }},
	} {
		t.Run(tt.kind.String(), func(t *testing.T) {
			t.Parallel()
			b := open(t, as("handler"), local.WithConcurrency(2), local.WithFaults(tt.faults), local.WithEventRetries(time.Hour, time.Millisecond))
			dir := t.TempDir()
			for n := range sent {
				do := job{Do: "touch and sleep", Text: fmt.Sprint(dir, "/", n)}
				if tt.kind == local.FaultEventCrash {
					do.N = 11 // longer than one that is to die lives
				}
				event(t, b, do)
			}
			faults := func() int { return int(b.FaultCounts()[tt.kind]) }
			files := func() int { return len(must(os.ReadDir(dir))) }
			total := func() (n int) {
				for _, entry := range must(os.ReadDir(dir)) {
					n += runs(dir + "/" + entry.Name())
				}
				return n
			}
			switch tt.kind {
			case local.FaultEventCrash: // some die before they have begun
				eventually(t, "all have run", func() bool { return files() == sent })
			default:
				eventually(t, "all have run", func() bool { return total() == tt.runs(faults()) })
			}
			if n := faults(); n < sent/4 || n > sent*3/4 {
				t.Errorf("%d of %d", n, sent)
			}
			for kind, n := range b.FaultCounts() {
				if n > 0 && kind != tt.kind {
					t.Errorf("%d faults of kind %v", n, kind)
				}
			}
		})
	}
}

// Which events meet a fault depends on the seed alone, and on no other invocations.
func TestEventFaultsAreReproducible(t *testing.T) {
	t.Parallel()
	missing := func(seed uint64, others int) (which []int) {
		b := open(t, as("handler"), local.WithFaults(local.Faults{Seed: seed, EventDrop: 0.5, Refuse: 0.5}))
		dir := t.TempDir()
		for range others {
			do(t, b, job{Do: "sleep"})
		}
		for n := range 30 {
			event(t, b, job{Do: "touch and sleep", Text: fmt.Sprint(dir, "/", n)})
		}
		dropped := int(b.FaultCounts()[local.FaultEventDrop])
		eventually(t, "the others have run", func() bool {
			which = nil
			for n := range 30 {
				if runs(fmt.Sprint(dir, "/", n)) == 0 { // a file that is there may have nothing in it yet
					which = append(which, n)
				}
			}
			return len(which) == dropped
		})
		return which
	}
	first := missing(7, 0)
	if diff := cmp.Diff(first, missing(7, 5)); diff != "" {
		t.Error(diff)
	}
	if cmp.Equal(first, missing(8, 0)) {
		t.Errorf("another seed drops the same events: %v", first)
	}
}
