package agent

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

type contextKey struct{}

func itemBelow(parent context.Context) *itemContext {
	c := new(itemContext)
	c.Start(parent)
	return c
}

func TestItemContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cause := errors.New("enough")
		parent, cancel := context.WithCancelCause(context.WithValue(t.Context(), contextKey{}, "value"))
		defer cancel(nil)
		run, stop := context.WithTimeout(parent, time.Minute)
		defer stop()

		quiet := itemBelow(run)
		if _, ok := quiet.Deadline(); !ok || quiet.Err() != nil || quiet.Value(contextKey{}) != "value" {
			t.Errorf("before the end: %v, %v", quiet.Err(), quiet.Value(contextKey{}))
		}
		quiet.End()
		if !errors.Is(quiet.Err(), context.Canceled) || !errors.Is(context.Cause(quiet), context.Canceled) || quiet.Value(contextKey{}) != "value" {
			t.Errorf("after the end: %v, because of %v", quiet.Err(), context.Cause(quiet))
		}
		<-quiet.Done()

		asked := itemBelow(run)
		child, stopChild := context.WithTimeout(asked, time.Second)
		defer stopChild()
		called := make(chan error, 1)
		context.AfterFunc(child, func() { called <- child.Err() })
		if asked.Err() != nil || asked.Value(contextKey{}) != "value" || child.Value(contextKey{}) != "value" {
			t.Errorf("asked, before the end: %v", asked.Err())
		}
		asked.End()
		asked.End()
		<-asked.Done()
		if err := <-called; !errors.Is(err, context.Canceled) || !errors.Is(asked.Err(), context.Canceled) {
			t.Errorf("derived: %v, own %v", err, asked.Err())
		}

		deadline := itemBelow(run)
		first, second := itemBelow(run), itemBelow(run)
		wait := second.Done()
		time.Sleep(time.Minute)
		synctest.Wait()
		if !errors.Is(first.Err(), context.DeadlineExceeded) || !errors.Is(second.Err(), context.DeadlineExceeded) || !errors.Is(context.Cause(deadline), context.DeadlineExceeded) {
			t.Errorf("in the end of the run: %v, %v, %v", first.Err(), second.Err(), context.Cause(deadline))
		}
		<-wait
		first.End()
		if !errors.Is(first.Err(), context.DeadlineExceeded) {
			t.Errorf("after the end of the run and of the item: %v", first.Err())
		}

		canceled := itemBelow(parent)
		cancel(cause)
		if !errors.Is(canceled.Err(), context.Canceled) || !errors.Is(context.Cause(canceled), cause) {
			t.Errorf("canceled: %v, because of %v", canceled.Err(), context.Cause(canceled))
		}
	})
}
