package service

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lambdapool/lambdapool/backend/local/internal/keep"
	"github.com/lambdapool/lambdapool/backend/local/internal/sandbox"
	"github.com/lambdapool/lambdapool/backend/local/internal/wire"
)

// data is a directory that outlives a process.
func data(t *testing.T) *keep.Dir {
	t.Helper()
	d, err := keep.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Make(QueueDir); err != nil {
		t.Fatal(err)
	}
	return d
}

// kept lists what is there, as the next process finds it.
func kept(t *testing.T, d *keep.Dir) (ids []string) {
	t.Helper()
	all, err := KeptEvents(d)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range all {
		ids = append(ids, k.ID())
	}
	return ids
}

// What a process has accepted and not ended, the next one has done: with what was said of it
// then, after as many tries as are left, when it is due.
func TestKeptEvents(t *testing.T) {
	t.Parallel()
	d := data(t)
	synctest.Test(t, func(t *testing.T) {
		terms := Terms{Age: time.Hour, Delays: []time.Duration{time.Minute, 2 * time.Minute}}
		var mu sync.Mutex
		var runs []string
		note := func(inv *sandbox.Invocation) {
			mu.Lock()
			defer mu.Unlock()
			runs = append(runs, inv.ID+" "+inv.ARN+" "+string(inv.Payload))
		}
		fails := instant(func(inv *sandbox.Invocation) sandbox.Result {
			note(inv)
			return sandbox.Result{ErrType: "Mine"}
		})
		ends := instant(func(inv *sandbox.Invocation) sandbox.Result {
			note(inv)
			return sandbox.Result{}
		})
		f := function(t, fails, func(cfg *Config) { cfg.Data = d })
		began := time.Now()
		for _, id := range []string{"1", "2"} {
			if refused := f.events.push(&sandbox.Invocation{ID: id, ARN: "arn", TraceID: "trace", Payload: []byte("in\nput")}, nil, terms); refused != nil {
				t.Fatal(refused.Message)
			}
			time.Sleep(time.Second)
		}
		if diff := cmp.Diff([]string{"1", "2"}, kept(t, d)); diff != "" {
			t.Error(diff)
		}
		f.Close()
		if diff := cmp.Diff([]string{"1 arn in\nput", "2 arn in\nput"}, runs); diff != "" {
			t.Error(diff)
		}

		all, err := KeptEvents(d)
		if err != nil {
			t.Fatal(err)
		}
		want := wire.FunctionID{Region: "eu-west-1", Account: wire.Account, Name: "demo", Qualifier: wire.Latest}
		if got := all[0].Function(); got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
		if err := all[1].Drop(); err != nil {
			t.Error(err)
		}
		f, runs = function(t, ends, func(cfg *Config) { cfg.Data = d }), nil
		over := time.Duration(0)
		all[0].Payload = []byte("other")
		f.Restore(all[0], func() { over = time.Since(began) })
		time.Sleep(time.Hour)
		synctest.Wait()
		if diff := cmp.Diff([]string{"1 arn other"}, runs); diff != "" || over != time.Minute {
			t.Errorf("it was over after %v: %s", over, diff)
		}
		if left := kept(t, d); left != nil {
			t.Errorf("%v are left", left)
		}
		f.Close()
	})
}

// What is no event is named, stays where it is, and does not keep the others from running.
func TestKeptEventsThatCannotBeRead(t *testing.T) {
	t.Parallel()
	d := data(t)
	f := function(t, instant(func(*sandbox.Invocation) sandbox.Result { return sandbox.Result{ErrType: "Mine"} }), func(cfg *Config) { cfg.Data = d })
	if refused := f.events.push(&sandbox.Invocation{ID: "1", Payload: []byte("{}")}, nil, Terms{Age: time.Hour, Delays: []time.Duration{time.Hour}}); refused != nil {
		t.Fatal(refused.Message)
	}
	bad := []string{"rubbish", "a.b.c.d", "1.b.2.3"}
	for _, name := range bad {
		if err := d.Write(filepath.Join(QueueDir, name), []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	all, err := KeptEvents(d)
	if len(all) != 1 || all[0].ID() != "1" || err == nil {
		t.Fatalf("%d events, %v", len(all), err)
	}
	for _, name := range bad {
		if !strings.Contains(err.Error(), filepath.Join(QueueDir, name)) {
			t.Errorf("%s is not named by %v", name, err)
		}
		if _, err := os.Stat(d.Path(filepath.Join(QueueDir, name))); err != nil {
			t.Error(err)
		}
	}
}

// An event that cannot be kept is refused, since it would be lost.
func TestEventThatCannotBeKept(t *testing.T) {
	t.Parallel()
	d, err := keep.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	f := function(t, instant(func(*sandbox.Invocation) sandbox.Result {
		t.Error("it has run")
		return sandbox.Result{}
	}), func(cfg *Config) { cfg.Data = d })
	refused := f.events.push(&sandbox.Invocation{ID: "1", Payload: []byte("{}")}, nil, Terms{Age: time.Hour})
	if refused == nil || refused.Code != "ServiceException" || !strings.HasPrefix(refused.Message, "lambdapool: local: the event cannot be kept: ") {
		t.Errorf("%+v", refused)
	}
}
