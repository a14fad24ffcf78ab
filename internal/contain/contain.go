// Package contain runs functions that others wrote and this module calls: hooks, backends,
// stores, journals, methods of values and of errors. Such a function may panic, end its
// goroutine by runtime.Goexit as testing's FailNow does, or never return. Here all three become
// an error that names it.
//
// Which of the functions to use:
//
//   - [Value] where the function has a context and returns something: Store.Open,
//     JournalLog.Commit.
//   - [Do] where waiting for ever is the caller's wish.
//   - [Gate] where the function must not block, and is called again and again: a log's handler,
//     a Recorder.
//   - [Here] where a goroutine for each call would cost too much. It does not help against a
//     function that blocks.
//   - [Tame] for an error that comes from others, before its methods are called.
//
// A function that is left behind cannot be stopped. It keeps its goroutine and what that refers
// to until it returns, so what it is given must not be used again by others.
package contain

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"
)

// Patience is how much longer than its context a function may run until it is left behind.
// Those that heed their context return at once. It is far more than a scheduler or a garbage
// collector can hold up a function that does.
const Patience = 5 * time.Second

// A FaultError is what a function did instead of returning.
type FaultError struct {
	Who   string // the function, as people know it: "Recorder.Record of *report.Recorder"
	How   string // what it did, the panic's value included
	Stack string // of a panic
}

func (f *FaultError) Error() string { return f.Who + " " + f.How }

// Do runs f on a goroutine of its own and waits for it, however long it takes. The
// error is nil when f returned, otherwise a *[FaultError]. what names f, and of is the
// value whose method it is, or nil.
func Do(what string, of any, f func()) error {
	_, err := Value(context.Background(), what, of, func() (struct{}, error) {
		f()
		return struct{}{}, nil
	})
	return err
}

// Value runs f on a goroutine of its own and returns what f returns, with an error
// that [Tame] has seen, or a *[FaultError]. When ctx has ended, it waits for [Patience]
// and no longer: then f is left behind, and what it returns is dropped.
func Value[T any](ctx context.Context, what string, of any, f func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	ended := make(chan result, 1) // also for one that comes too late
	go func() {
		var r result
		defer func() { ended <- r }()
		r.err = Here(what, of, func() (err error) {
			r.value, err = f()
			return err
		}, func(fault error) { r.err = fault })
	}()
	select {
	case r := <-ended:
		return r.value, Tame(r.err)
	case <-ctx.Done():
	}
	timer := time.NewTimer(Patience)
	defer timer.Stop()
	select {
	case r := <-ended:
		return r.value, Tame(r.err)
	case <-timer.C:
		var none T
		return none, Late(what, of)
	}
}

// Late is the [FaultError] of a function that was left behind.
func Late(what string, of any) error {
	return &FaultError{Who: name(what, of), How: fmt.Sprintf("has not returned %v after its time was up", Patience)}
}

// Here runs f on this goroutine and returns its error, or a *[FaultError] if it panics.
// If f ends the goroutine, exited is called while that happens: nothing of the
// goroutine runs after that but its deferred functions. It costs a few nanoseconds,
// and does not help where f blocks.
func Here(what string, of any, f func() error, exited func(fault error)) (err error) {
	returned := false
	defer func() {
		if returned {
			return
		}
		if p := recover(); p != nil {
			err = &FaultError{Who: name(what, of), How: "panicked: " + text(p), Stack: string(debug.Stack())}
			return
		}
		exited(&FaultError{Who: name(what, of), How: "ended its goroutine by runtime.Goexit, as testing's FailNow and Skip do"})
	}()
	err = f()
	returned = true
	return err
}

func name(what string, of any) string {
	if of == nil {
		return what
	}
	return fmt.Sprintf("%s of %T", what, of)
}

// text is what fmt prints of v. Its Error or String method is another function that
// others wrote.
func text(v any) string {
	return isolated(fmt.Sprintf("a %T that cannot be printed", v), func() string { return fmt.Sprint(v) })
}

// Tame returns err, or an error with no more than a text if the methods of err, or of what it
// wraps, cannot be trusted: one of Error, Is, As and Unwrap panics, ends its goroutine or does
// not return, or there is no end to what wraps what. It finds out by calling them, so an error
// that answers well now and not later gets through. Nil stays nil.
func Tame(err error) error {
	switch err.(type) {
	case nil, *FaultError:
		return err
	}
	return isolated(error(untamed(fmt.Sprintf("a %T whose methods fail", err))), func() error {
		said := err.Error()
		if !finite(err) {
			return untamed(fmt.Sprintf("%s (a %T that wraps itself)", said, err))
		}
		probe(err)
		return err
	})
}

// An untamed error is what is left of one whose methods cannot be called.
type untamed string

func (e untamed) Error() string { return string(e) }

// isolated returns what f returns, or otherwise where it does not.
func isolated[T any](otherwise T, f func() T) T {
	ended := make(chan T, 1)
	go func() {
		value := otherwise
		defer func() {
			_ = recover() // a panic is one of the ways not to return
			ended <- value
		}()
		value = f()
	}()
	timer := time.NewTimer(Patience)
	defer timer.Stop()
	select {
	case value := <-ended:
		return value
	case <-timer.C:
		return otherwise
	}
}
