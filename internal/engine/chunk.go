package engine

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/lambdapool/lambdapool/driver"
	"github.com/lambdapool/lambdapool/internal/failure"
	"github.com/lambdapool/lambdapool/internal/payload"
	"github.com/lambdapool/lambdapool/internal/registry"
	"github.com/lambdapool/lambdapool/internal/schedule"
)

// A chunk is the items of one call of a run.
type chunk struct {
	Promise

	lane   *Lane
	number int // of the chunk in its run, from 1, for messages
	items  []Item
	given  time.Time // to a worker
}

// arguments are the encoded arguments of each item, lent.
func (ch *chunk) arguments() [][]byte {
	args := argumentScratch.lend(len(ch.items))
	for i := range ch.items {
		args[i] = ch.items[i].Args
	}
	return args
}

var argumentScratch scratch[[]byte]

// release lets go of the arguments of a single item, which are stored, and returns how
// large they were.
func (ch *chunk) release() (size int) {
	if len(ch.items) == 1 && !ch.lane.Recorded {
		size = len(ch.items[0].Args)
		ch.items[0].Args = nil
	}
	return size
}

// Decode implements sink; the values of a chunk are delivered by answered.
func (ch *chunk) Decode(context.Context, *registry.Function, []byte, bool) error { return nil }

// Failed implements sink: what is said of each item is made of it.
func (ch *chunk) Failed(_ *registry.Function, _ *registry.Registry, err error) error { return err }

// An item that is sent again, alone and so much later.
type againItem struct {
	Item

	after time.Duration
}

// answered ends the call, and each of its items by its own reply: that is settled, sent again
// because the retry policy wants it, or given back to the lane because no agent has begun it.
func (ch *chunk) answered(replies []Reply) {
	if !ch.claim() {
		return
	}
	l := ch.lane
	var again []againItem
	var unbegun []Item
	settled, outcomes := ch.items, replies // most often all of them
	for i := range replies {
		reply := &replies[i]
		if reply.Err == nil {
			continue
		}
		if reply.notBegun {
			reply.open = true
			unbegun = append(unbegun, ch.items[i])
			continue
		}
		it := againItem{Item: ch.items[i]}
		why, fault := ch.decide(&it, reply.Err)
		if why == schedule.Again {
			reply.open = true
			again = append(again, it)
			continue
		}
		reply.Err = cmp.Or(fault, ch.itemError(&it.Item, reply.Err, why))
	}
	if len(again)+len(unbegun) > 0 {
		settled, outcomes = nil, nil
		for i, reply := range replies {
			if !reply.open {
				settled, outcomes = append(settled, ch.items[i]), append(outcomes, reply)
			}
		}
	}
	var kept *payload.Parcel
	if len(ch.items) == 1 && len(again) == 1 {
		kept = ch.call.parcel.Swap(nil) // its arguments are nowhere else
	}
	l.e.counting(ch.call, nil)
	// First what has ended: a run that stops at its first error sends nothing more then.
	l.settle(settled, func(i int) Reply { return outcomes[i] })
	l.giveBack(ch, unbegun)
	l.again(ch, again, kept)
	ch.complete(nil)
}

// decide says whether an item that has failed with err is sent again, and sets how much later.
// It counts the attempt. fault says why nobody knows.
func (ch *chunk) decide(it *againItem, err error) (why schedule.Reason, fault error) {
	l, e := ch.lane, ch.lane.e
	a, refusal := Classify(err)
	a.Wanted, fault = l.holds.Retry.wants(l.Ctx, l.Fn, e.on.Registry, err)
	a = ch.call.tried(a, &it.Item)
	if len(ch.items) > 1 && a.Idempotent && refusal != nil && errors.Is(refusal.Kind, driver.ErrTooLarge) {
		return schedule.Again, nil // alone it may have room in a reply
	}
	d := l.holds.Retry.Decide(a, e.random)
	if d.Retry() && e.Draining() {
		d.Reason = schedule.AttemptsSpent
	}
	it.after = d.After
	return d.Reason, e.Complain(l.Fn.Name(), fault)
}

// itemError is what the caller sees of an item whose last attempt ended in err.
func (ch *chunk) itemError(it *Item, err error, why schedule.Reason) error {
	err = ch.call.finalError(err, why)
	if pool := failure.Of(err); pool != nil {
		pool.Attempts = it.runs
	}
	return err
}

// giveBack queues items of a chunk again that no agent has begun; their time has not begun
// either. Where an earlier attempt may have begun them they stay together, since what becomes of them is
// told otherwise.
func (l *Lane) giveBack(ch *chunk, items []Item) {
	e := l.e
	e.mu.Lock()
	defer e.mu.Unlock()
	ran := ch.call.ranBefore() || len(ch.call.flights) > 1 // what a duplicate has not begun the other may have
	items = l.wanted(items, ran)
	if len(items) == 0 {
		return
	}
	if ran {
		l.party.queue.push(l.anew(items, time.Now()))
		e.dispatch(time.Now())
		return
	}
	for i := range items {
		l.bytes.Add(int64(len(items[i].Args)))
	}
	l.items.giveBack(items)
	e.waiting += len(items)
	l.party.queue.enter(&l.party)
	e.dispatch(time.Now())
}

// again sends items of a chunk once more. kept has the arguments of the only one, if they are stored.
func (l *Lane) again(ch *chunk, items []againItem, kept *payload.Parcel) {
	e := l.e
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, it := range items {
		if len(l.wanted([]Item{it.Item}, true)) == 0 {
			if kept != nil {
				e.on.Payloads.Drop(kept)
			}
			continue
		}
		c := l.anew([]Item{it.Item}, ch.given)
		c.parcel.Store(kept)
		e.postpone(c, time.Now().Add(it.after))
		e.stats.Retries++
		l.tally.retried++
	}
}

// wanted returns those of items that may be sent again, and ends the others. ran says that they
// ran, or may have. e.mu is held, and let go of meanwhile.
func (l *Lane) wanted(items []Item, ran bool) []Item {
	err := l.closed()
	var ended []Item
	wanted := slices.DeleteFunc(items, func(it Item) bool {
		if err == nil && it.Index <= l.last {
			return false
		}
		ended = append(ended, it)
		return true
	})
	if len(ended) > 0 {
		if err == nil {
			err = l.canceled()
		}
		if ran {
			unknown := *err
			unknown.Outcome = driver.OutcomeUnknown
			err = &unknown
		}
		l.e.mu.Unlock()
		l.fail(ended, err)
		l.e.mu.Lock()
	}
	return wanted
}

// closed returns why items must not be sent any more. e.mu is held.
func (l *Lane) closed() *failure.Pool {
	switch {
	case l.ended != nil:
		return l.ended
	case l.e.aborted:
		return failure.NotRun("call", l.Fn.Name(), driver.ErrCanceled, driver.ErrClosed, HintClosed)
	case l.e.drained:
		return l.drained()
	case l.over(time.Now()):
		return l.overError()
	}
	return nil
}

// overError is that of items whose run's context has ended, or is about to.
func (l *Lane) overError() *failure.Pool {
	kind, cause := driver.ErrTimeout, context.DeadlineExceeded
	if l.Ctx.Err() != nil {
		kind, cause = failure.Context(l.Ctx)
	}
	return failure.NotRun("call", l.Fn.Name(), kind, cause, HintRunEnded)
}

// Completed implements sink. A chunk that has failed as a whole says nothing
// about its items. When an agent went down with an idempotent function's chunk,
// or gave no answer in the time of an attempt, one item may have done it: halves find that one, and
// give the others their values. Of another function's, nobody can tell which ran.
func (ch *chunk) Completed() {
	err := ch.Failure()
	if err == nil {
		return
	}
	l, e := ch.lane, ch.lane.e
	pool := failure.Of(err)
	whole := pool != nil && (pool.Outcome == driver.OutcomeRan && diedOf(pool.Kind) || errors.Is(err, errAttempt))
	if len(ch.items) < 2 || !whole {
		l.fail(ch.items, err)
		return
	}
	e.mu.Lock()
	if !ch.fn.Idempotent() || l.closed() != nil || ch.items[0].Index > l.last {
		e.mu.Unlock()
		l.fail(ch.items, untold(pool))
		return
	}
	defer e.mu.Unlock()
	middle := len(ch.items) / 2
	for _, half := range [][]Item{ch.items[:middle], ch.items[middle:]} {
		for i := range half {
			half[i].runs++
		}
		l.party.queue.push(l.anew(half, ch.given))
		e.stats.Retries += int64(len(half))
		l.tally.retried += len(half)
	}
	e.dispatch(time.Now())
}

// diedOf reports whether an agent that ended for that reason leaves nobody who knows which
// items it has begun.
func diedOf(kind error) bool {
	return errors.Is(kind, driver.ErrAgentCrashed) || errors.Is(kind, driver.ErrOutOfMemory) || errors.Is(kind, driver.ErrTimeout)
}

// untold is the error of each item of an invocation that failed as a whole: that the
// invocation ran says nothing of the item.
func untold(whole *failure.Pool) error {
	item := *whole
	if item.Outcome == driver.OutcomeUnknown {
		return &item
	}
	item.Outcome, item.Kind = driver.OutcomeUnknown, driver.ErrUnknownOutcome
	item.Err = &driver.InvokeError{Kind: whole.Kind, Err: whole.Err}
	return &item
}
