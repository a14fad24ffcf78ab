package service

import (
	"errors"
	"sync"

	"github.com/lambdapool/lambdapool/backend/local/internal/sandbox"
)

var errAccountBusy = errors.New("the account's concurrency is used up")

// An Account is how many executions an account may have at once in a region,
// divided into what functions have reserved and what all others share.
// https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html
type Account struct {
	limit   int
	machine *Machine

	mu       sync.Mutex
	reserved int // by all functions
	running  int // executions of functions without a reservation
}

// NewAccount makes one of a region that may have limit executions at once, on a machine of all
// regions.
func NewAccount(limit int, machine *Machine) *Account {
	return &Account{limit: limit, machine: machine}
}

// Limit returns how many executions there may be at once.
func (a *Account) Limit() int { return a.limit }

// Quota makes that of one more function, which reserves nothing.
func (a *Account) Quota() *Quota { return &Quota{account: a, reserved: -1} }

// A Machine counts the executions of all functions, in all regions, against what it is to carry.
type Machine struct {
	most int

	mu      sync.Mutex
	running int
}

// NewMachine makes one that carries most executions at once.
func NewMachine(most int) *Machine { return &Machine{most: most} }

func (m *Machine) take() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.running >= m.most {
		return false
	}
	m.running++
	return true
}

func (m *Machine) give() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.running--
}

// A Quota is what one function, with all its versions, has of that. A nil
// Quota has no bounds.
type Quota struct {
	account *Account

	// Guarded by the account's lock.
	reserved int // -1: nothing
	running  int
}

// take admits one execution, or says with ErrBusy or errAccountBusy why not.
func (q *Quota) take() error {
	if q == nil {
		return nil
	}
	a := q.account
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case q.reserved >= 0 && q.running >= q.reserved:
		return sandbox.ErrBusy
	case q.reserved < 0 && a.running >= a.limit-a.reserved, !a.machine.take():
		return errAccountBusy
	case q.reserved < 0:
		a.running++
	}
	q.running++
	return nil
}

// give ends an execution.
func (q *Quota) give() {
	if q == nil {
		return
	}
	q.account.machine.give()
	q.account.mu.Lock()
	defer q.account.mu.Unlock()
	q.running--
	if q.reserved < 0 {
		q.account.running--
	}
}

// MinUnreserved is what the functions without a reservation keep of an Account.
const MinUnreserved = 100

// Reserve sets the function's reservation, -1 for none. It says no when too
// little would be left for the others.
func (q *Quota) Reserve(n int) bool {
	a := q.account
	a.mu.Lock()
	defer a.mu.Unlock()
	reserved := a.reserved - max(q.reserved, 0) + max(n, 0)
	if n > 0 && a.limit-reserved < MinUnreserved {
		return false
	}
	switch {
	case q.reserved < 0 && n >= 0:
		a.running -= q.running
	case q.reserved >= 0 && n < 0:
		a.running += q.running
	}
	a.reserved, q.reserved = reserved, n
	return true
}

// Reservation returns what the function has reserved, -1 for nothing.
func (q *Quota) Reservation() int {
	q.account.mu.Lock()
	defer q.account.mu.Unlock()
	return q.reserved
}

// Unreserved returns what functions without a reservation share.
func (a *Account) Unreserved() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.limit - a.reserved
}
