package engine

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"time"

	"github.com/lambdapool/lambdapool/codec"
	"github.com/lambdapool/lambdapool/internal/failure"
	"github.com/lambdapool/lambdapool/internal/registry"
	"github.com/lambdapool/lambdapool/price"
)

// What an invocation has cost is paid by its run, by the runs that share a budget with that, and by those
// whose functions have called it. Where these functions run elsewhere, their replies bring it along.

// A purse is what runs have spent that share a budget.
type purse struct {
	mu       sync.Mutex
	spent    float64 // GB-seconds
	requests int
}

type purseKey struct{}

// WithPurse returns ctx for runs that come one after the other and share their budget: what one has spent, the next has no more.
func WithPurse(ctx context.Context) context.Context {
	return context.WithValue(ctx, purseKey{}, new(purse))
}

// total is what the run, and those that share its budget, have spent. e.mu is held.
func (l *Lane) total() (gbs float64, requests int) {
	if l.purse == nil {
		return l.tally.spent, l.tally.charged
	}
	l.purse.mu.Lock()
	defer l.purse.mu.Unlock()
	return l.purse.spent, l.purse.requests
}

// pay takes what something has cost out of the run's budget. e.mu is held.
func (l *Lane) pay(cost codec.Spent) {
	gbs, requests := cost.GBSeconds+cost.Unknown, int(cost.Invocations)
	l.tally.spent += gbs
	l.tally.charged += requests
	if l.purse != nil {
		l.purse.mu.Lock()
		defer l.purse.mu.Unlock()
		l.purse.spent += gbs
		l.purse.requests += requests
	}
}

// bounded reports whether anything bounds what the run may spend.
func (l *Lane) bounded() bool {
	return l.Budget != (Budget{}) || l.caller != nil || l.e.bound() != (Budget{})
}

// broken reports whether nothing is left of the run's budget. e.mu is held.
func (l *Lane) broken() bool {
	gbs, requests := l.total()
	return l.e.exceeds(l.Budget, gbs, requests)
}

// exceeds reports whether nothing of b is left. e.mu is held.
func (e *Executor) exceeds(b Budget, gbs float64, requests int) bool {
	return b.GBSeconds != 0 && gbs >= b.GBSeconds || b.Dollars != 0 && e.dollars(gbs, requests) >= b.Dollars
}

// bound is what all calls of this executor may cost, which is a function's.
func (e *Executor) bound() Budget { return Budget{e.level.GBSeconds, e.level.Dollars} }

// outspent reports whether nothing is left of a budget above: of a run whose function has called, here or in another process. e.mu is held.
func (e *Executor) outspent(caller *invocation) bool {
	if b := e.bound(); b != (Budget{}) && e.exceeds(b, e.spent.GBSeconds+e.spent.Unknown, int(e.spent.Invocations)) {
		return true
	}
	for up := caller; up != nil; up = up.call.caller {
		if l := up.call.lane(); l != nil && l.broken() {
			return true
		}
	}
	return false
}

// overspent is the error of a function's call for which no money is left.
func overspent(f *registry.Function) *failure.Pool {
	return failure.NotRun("submit", f.Name(), failure.ErrBudget,
		errors.New("the budget of the run that the calling function belongs to is spent"), "WithBudget of the client's run sets the bound; it counts what functions call")
}

// left is what the functions of an invocation may spend. e.mu is held.
func (e *Executor) left(inv *invocation) (b Budget) {
	take := func(bound Budget, gbs float64, requests int) {
		const least = 1e-12 // zero would be no bound
		if bound.GBSeconds != 0 {
			b.GBSeconds = max(least, min(cmp.Or(b.GBSeconds, bound.GBSeconds), bound.GBSeconds-gbs))
		}
		if bound.Dollars != 0 {
			b.Dollars = max(least, min(cmp.Or(b.Dollars, bound.Dollars), bound.Dollars-e.dollars(gbs, requests)))
		}
	}
	take(e.bound(), e.spent.GBSeconds+e.spent.Unknown, int(e.spent.Invocations))
	if l := inv.call.lane(); l != nil {
		gbs, requests := l.total()
		take(l.Budget, gbs, requests)
	}
	return b
}

// add adds what others have cost.
func add(to *codec.Spent, more codec.Spent) {
	to.Invocations += more.Invocations
	to.Billed += more.Billed
	to.GBSeconds += more.GBSeconds
	to.Unknown += more.Unknown
}

// settle pays an invocation that has landed. e.mu is held.
func (e *Executor) settle(inv *invocation, took time.Duration) {
	cost := e.cost(inv, took)
	add(&e.spent, cost)
	if l := inv.call.lane(); l != nil {
		l.charge(inv, cost)
	}
	for up := inv.call.caller; up != nil; up = up.call.caller {
		add(&up.below, cost)
		if l := up.call.lane(); l != nil {
			l.pay(cost)
		}
	}
}

// cost is what an invocation has cost, with what its functions have called in other processes. e.mu is held.
func (e *Executor) cost(inv *invocation, took time.Duration) (c codec.Spent) {
	switch {
	case inv.bytes == 0 || inv.refused && !inv.answered:
		return c
	case !inv.answered:
		return codec.Spent{Invocations: 1, Unknown: max(e.worst(), inv.reserved)}
	}
	e.memory = max(e.memory, inv.memory)
	billed := cmp.Or(inv.billed, roundUp(took, e.on.Limits.Granularity))
	c = codec.Spent{Invocations: 1, Billed: inv.billed, GBSeconds: price.GBSeconds(inv.memory, billed)}
	add(&c, inv.nested)
	return c
}

// counted counts what an invocation was, once and before its items are delivered: whoever has all
// results finds all invocations in the last Snapshot, also those of functions. e.mu is held.
func (e *Executor) counted(inv *invocation) {
	if inv.tallied || inv.bytes == 0 {
		return
	}
	inv.tallied = true
	known := codec.Spent{Invocations: 1, Billed: inv.billed, GBSeconds: price.GBSeconds(inv.memory, inv.billed)}
	add(&known, inv.nested)
	if l := inv.call.lane(); l != nil {
		l.tally.add(known)
		if inv.cold {
			l.tally.cold++
		}
	}
	for up := inv.call.caller; up != nil; up = up.call.caller {
		if l := up.call.lane(); l != nil {
			l.tally.add(known)
		}
	}
}

// Spent returns what all invocations so far have cost, with those of their functions.
func (e *Executor) Spent() codec.Spent {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.spent
}
