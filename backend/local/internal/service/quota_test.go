package service

import (
	"errors"
	"testing"

	"github.com/lambdapool/lambdapool/backend/local/internal/sandbox"
)

// What functions reserve is theirs, and what they leave is shared.
func TestQuotas(t *testing.T) {
	t.Parallel()
	a := NewAccount(103, NewMachine(1000))
	first, second, third := a.Quota(), a.Quota(), a.Quota()
	take := func(q *Quota, n int, want error) {
		t.Helper()
		for range n {
			if err := q.take(); err != nil {
				t.Fatal(err)
			}
		}
		if err := q.take(); !errors.Is(err, want) {
			t.Errorf("one more: %v, want %v", err, want)
		}
	}
	if first.Reservation() != -1 || a.Unreserved() != 103 || a.Limit() != 103 {
		t.Errorf("at first: %d, %d of %d", first.Reservation(), a.Unreserved(), a.Limit())
	}
	if !first.Reserve(2) || first.Reserve(4) || first.Reservation() != 2 || a.Unreserved() != 101 {
		t.Errorf("a reservation: %d, and %d for others", first.Reservation(), a.Unreserved())
	}
	take(first, 2, sandbox.ErrBusy)
	take(second, 100, nil) // and one more
	take(third, 0, errAccountBusy)
	second.give()
	take(third, 1, errAccountBusy)
	if !third.Reserve(0) { // what runs goes on, and gives back what it has taken
		t.Error("nothing cannot be reserved")
	}
	take(third, 0, sandbox.ErrBusy)
	take(second, 1, errAccountBusy) // what third had of the shared ones is free
	third.give()
	if !first.Reserve(-1) || first.Reservation() != -1 || a.Unreserved() != 103 {
		t.Errorf("without a reservation: %d, and %d for all", first.Reservation(), a.Unreserved())
	}
	take(second, 0, errAccountBusy) // what first runs counts among the shared ones now
	first.give()
	take(second, 1, errAccountBusy)
}

// All regions are on one machine.
func TestMachine(t *testing.T) {
	t.Parallel()
	m := NewMachine(1)
	here, there := NewAccount(1000, m).Quota(), NewAccount(1000, m).Quota()
	if err := here.take(); err != nil {
		t.Fatal(err)
	}
	if err := there.take(); !errors.Is(err, errAccountBusy) {
		t.Errorf("a second one: %v", err)
	}
	here.give()
	if err := there.take(); err != nil {
		t.Errorf("after it: %v", err)
	}
	var none *Quota
	if err := none.take(); err != nil {
		t.Errorf("no quota: %v", err)
	}
	none.give()
}
