package main

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lambdapool/lambdapool/deploy"
)

// The largest size that fits is found, and with two tries where it is as we say.
func TestLargest(t *testing.T) {
	for _, limit := range []int{600, 601, 750, 999} {
		tries := 0
		n, err := largest(750, 600, 1000, func(n int) (bool, error) { tries++; return n <= limit, nil })
		if err != nil || n != limit {
			t.Errorf("limit %d: %d, %v", limit, n, err)
		}
		if limit == 750 && tries != 2 {
			t.Errorf("%d tries for what we say", tries)
		}
	}
	broken := errors.New("the line is dead")
	if _, err := largest(750, 600, 1000, func(int) (bool, error) { return false, broken }); !errors.Is(err, broken) {
		t.Errorf("got %v, want %v", err, broken)
	}
}

// Everything is removed, the last first; what cannot be is named, and what is gone is no trouble.
func TestRemoveAll(t *testing.T) {
	var a account
	var order []string
	for what, err := range map[string]error{"x": nil} {
		a.remember(what, func(context.Context) error { order = append(order, what); return err })
	}
	a.remember("gone", func(context.Context) error { order = append(order, "gone"); return deploy.ErrNotFound })
	a.remember("stuck", func(context.Context) error { order = append(order, "stuck"); return errors.New("access denied") })
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // as after an interrupt
	left := a.removeAll(context.WithoutCancel(ctx))
	if diff := cmp.Diff([]string{"stuck", "gone", "x"}, order); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"stuck"}, left); diff != "" {
		t.Error(diff)
	}
}
