package local

import (
	"errors"
	"sync"
)

var errAccountBusy = errors.New("the account's concurrency is used up")

// concurrency is how many executions an account may have at once in a region,
// divided into what functions have reserved and what all others share.
// https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html
type concurrency struct {
	limit int

	mu       sync.Mutex
	reserved int // by all functions
	running  int // executions of functions without a reservation
}

// A quota is what one function, with all its versions, has of that. A nil
// quota has no bounds.
type quota struct {
	account *concurrency

	// Guarded by the account's lock.
	reserved int // -1: nothing
	running  int
}

// take admits one execution, or says with errBusy or errAccountBusy why not.
func (s *quota) take() error {
	if s == nil {
		return nil
	}
	a := s.account
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case s.reserved >= 0 && s.running >= s.reserved:
		return errBusy
	case s.reserved < 0 && a.running >= a.limit-a.reserved:
		return errAccountBusy
	case s.reserved < 0:
		a.running++
	}
	s.running++
	return nil
}

// give ends an execution.
func (s *quota) give() {
	if s == nil {
		return
	}
	s.account.mu.Lock()
	defer s.account.mu.Unlock()
	s.running--
	if s.reserved < 0 {
		s.account.running--
	}
}

// minUnreserved is what the functions without a reservation keep.
const minUnreserved = 100

// reserve sets the function's reservation, -1 for none. It says no when too
// little would be left for the others.
func (s *quota) reserve(n int) bool {
	a := s.account
	a.mu.Lock()
	defer a.mu.Unlock()
	reserved := a.reserved - max(s.reserved, 0) + max(n, 0)
	if n > 0 && a.limit-reserved < minUnreserved {
		return false
	}
	switch {
	case s.reserved < 0 && n >= 0:
		a.running -= s.running
	case s.reserved >= 0 && n < 0:
		a.running += s.running
	}
	a.reserved, s.reserved = reserved, n
	return true
}

// reservation returns what the function has reserved, -1 for nothing.
func (s *quota) reservation() int {
	s.account.mu.Lock()
	defer s.account.mu.Unlock()
	return s.reserved
}

// unreserved returns what functions without a reservation share.
func (a *concurrency) unreserved() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.limit - a.reserved
}
