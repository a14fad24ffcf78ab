package isolate

import (
	"bytes"
	"slices"
	"testing"
	"time"
)

// laid returns a journal of small regions, and another view of it as a successor has.
func laid(t *testing.T, l layout) (first, second *Journal) {
	t.Helper()
	mem := make([]byte, l.size())
	first = newJournal(mem, l)
	return first, openJournal(mem)
}

var small = layout{regions: 2, slots: 64 << 10, values: 4 << 10}

func TestSuccessorFindsWhatWasLeft(t *testing.T) {
	first, _ := laid(t, small)
	began, deadline := time.Now(), time.Now().Add(time.Minute)
	words := []string{"request-1", "", "Grüße"}
	inv := first.Take(Head{Began: began, Deadline: deadline, Number: 7, Words: words}, []byte("payload"))
	if !inv.Items(5) {
		t.Fatal("no room for 5 items")
	}
	for i := range 4 {
		inv.Begin(i)
	}
	inv.Done(0, []byte("value"), 3*time.Second)
	inv.Failed(1, []byte("error"), time.Second)
	inv.Done(2, nil, 0)

	second := openJournal(first.mem)
	left := second.Left()
	if len(left) != 1 {
		t.Fatalf("%d invocations are left", len(left))
	}
	found := left[0]
	found.Resume()
	if head := found.Head(); !head.Began.Equal(began) || !head.Deadline.Equal(deadline) || head.Number != 7 || !slices.Equal(head.Words, words) {
		t.Errorf("its head is %+v", head)
	}
	if string(found.Payload()) != "payload" || !found.Resumed() || !found.Items(5) {
		t.Errorf("payload %q, resumed %t", found.Payload(), found.Resumed())
	}
	for i, want := range []State{Done, Failed, Done, Begun, Fresh} {
		if got := found.State(i); got != want {
			t.Errorf("item %d is in state %d, want %d", i, got, want)
		}
	}
	if value, run := found.Result(0); string(value) != "value" || run != 3*time.Second {
		t.Errorf("the value is %q after %v", value, run)
	}
	if problem, _ := found.Result(1); string(problem) != "error" {
		t.Errorf("the error is %q", problem)
	}
	if got := found.Times(3); got != 1 {
		t.Errorf("the item was begun %d times", got)
	}
	found.Release()
	if left := openJournal(first.mem).Left(); len(left) != 0 {
		t.Errorf("%d invocations are left after the answer", len(left))
	}
}

// Values that have no room are lost, and do not keep smaller ones from being kept.
func TestFull(t *testing.T) {
	j, _ := laid(t, small)
	inv := j.Take(Head{Began: time.Now()}, nil)
	inv.Items(4)
	for i, size := range []int{3 << 10, 2 << 10, 1 << 10, 1} {
		inv.Begin(i)
		inv.Done(i, bytes.Repeat([]byte{byte(i)}, size), 0)
	}
	for i, want := range []State{Done, Lost, Done, Lost} {
		if got := inv.State(i); got != want {
			t.Errorf("item %d is in state %d, want %d", i, got, want)
		}
	}
	for _, i := range []int{0, 2} {
		if value, _ := inv.Result(i); len(value) != 3<<10>>i && len(value) != 1<<10 || bytes.Count(value, []byte{byte(i)}) != len(value) {
			t.Errorf("item %d has other bytes", i)
		}
	}
	inv.Release()
	// The next one has all of it again, and finds none of the old states.
	next := j.Take(Head{Began: time.Now()}, nil)
	next.Items(4)
	if next.State(0) != Fresh || next.State(1) != Fresh {
		t.Error("an item of another invocation has a state")
	}
	next.Done(0, make([]byte, 4<<10), 0)
	if next.State(0) != Done {
		t.Error("a value that fits is lost")
	}
}

// More items than there is room for are kept no account of, and the next worker knows it.
func TestTooManyItems(t *testing.T) {
	j, _ := laid(t, small)
	before := j.head.progress.Load()
	inv := j.Take(Head{Began: time.Now()}, make([]byte, 1<<10))
	if inv.Items(small.slots / slotSize) {
		t.Fatal("there is room for more slots than bytes")
	}
	if j.head.progress.Load() == before {
		t.Error("items that nobody counts are no progress: the agent would not be started again")
	}
	found := openJournal(j.mem).Left()[0]
	found.Resume()
	if found.Items(1) {
		t.Error("a successor takes items for fresh of which nothing is known")
	}
}

// Take waits for an invocation to be released when as many are in progress as there is room for.
func TestTakeWaits(t *testing.T) {
	j, _ := laid(t, small)
	held := []*Invocation{j.Take(Head{}, nil), j.Take(Head{}, nil)}
	taken := make(chan *Invocation)
	go func() { taken <- j.Take(Head{}, nil) }()
	held[1].Release()
	if got := <-taken; got != held[1] {
		t.Error("it got the record of another invocation")
	}
}

func TestNextKill(t *testing.T) {
	j, _ := laid(t, layout{regions: 3, slots: 4 << 10, values: 4 << 10})
	now := time.Now()
	if kill, look := j.nextKill(now, time.Time{}); !kill.IsZero() || !look.IsZero() {
		t.Errorf("with nothing in progress: kill %v, look %v", kill, look)
	}
	j.Take(Head{Began: now}, nil)
	if kill, look := j.nextKill(now, time.Time{}); !kill.IsZero() || !look.After(now) {
		t.Errorf("without a deadline: kill %v, look %v", kill, look)
	}
	j.Take(Head{Began: now, Deadline: now.Add(time.Hour)}, nil)
	j.Take(Head{Began: now, Deadline: now.Add(800 * time.Millisecond)}, nil)
	kill, look := j.nextKill(now, time.Time{})
	if want := now.Add(750 * time.Millisecond); !kill.Equal(want.Round(0)) {
		t.Errorf("kill after %v, want %v", kill.Sub(now), want.Sub(now))
	}
	if want := 100 * time.Millisecond; look.Sub(now) != want {
		t.Errorf("look after %v, want %v", look.Sub(now), want)
	}
	if kill, _ = j.nextKill(now, kill); kill.Sub(now) < 59*time.Minute {
		t.Errorf("one that was killed once is killed again: after %v", kill.Sub(now))
	}
}

// A death is told only as long as the texts have room, and memory's peak never falls.
func TestDeath(t *testing.T) {
	j, successor := laid(t, small)
	j.setDeath(Death{Status: "exit status 2", Output: string(bytes.Repeat([]byte{'x'}, 2*maxOutput)), Peak: 5})
	j.setDeath(Death{Status: "signal: killed", OutOfMemory: true, Stopped: true, Peak: 3})
	got := successor.Death()
	if want := (Death{Status: "signal: killed", OutOfMemory: true, Stopped: true, Peak: 5}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	late := j.Take(Head{Began: time.Now().Add(-time.Minute), Deadline: time.Now()}, nil)
	early := j.Take(Head{Began: time.Now(), Deadline: time.Now().Add(time.Hour)}, nil)
	if !late.Death().Stopped || early.Death().Stopped {
		t.Error("an invocation beside the one whose time was up is taken for late")
	}
}
