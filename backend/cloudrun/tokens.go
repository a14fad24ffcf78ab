package cloudrun

import (
	"context"
	"sync"
	"time"

	"github.com/lambdapool/lambdapool/driver"
)

const (
	// renewBefore is how long before its end a token is renewed, while calls go on with it. Google's ID
	// tokens last an hour; metadata servers hand out kept ones that have less left.
	renewBefore = 5 * time.Minute

	// leastLeft is what a token must have left to be sent. A request may wait for an instance for ten
	// seconds and more before anybody looks at its token.
	// Source: cloud.google.com/run/docs/about-instance-autoscaling, 2026-11.
	leastLeft = time.Minute

	// mintTimeout bounds one request for a token.
	mintTimeout = 30 * time.Second

	// renewAgain is how long after a renewal the next one begins in the background.
	renewAgain = 15 * time.Second

	// fresh is how old a token may be to be taken for newer than one that was refused: all calls in
	// flight are refused at the same time, and one new token is enough for them.
	fresh = 10 * time.Second
)

// A minter makes an ID token. It blocks for network I/O.
type minter func(ctx context.Context) (token string, end time.Time, err error)

// tokens keeps the ID token of one audience, and renews it ahead of time: no call waits for that, but
// the first. It is an httpagent.TokenSource.
type tokens struct {
	mint minter
	life context.Context // ends with the backend
	end  context.CancelFunc
	work sync.WaitGroup

	mu      sync.Mutex
	token   string
	made    time.Time
	expires time.Time
	renewal *renewal  // nil: none is under way
	later   time.Time // no renewal in the background before
	closed  bool
}

// A renewal is a token being made. The fields are set when done is closed.
type renewal struct {
	done  chan struct{}
	token string
	err   error
}

func newTokens(mint minter) *tokens {
	life, end := context.WithCancel(context.Background())
	return &tokens{mint: mint, life: life, end: end}
}

// Token returns the kept token, or waits for a new one until ctx ends. What it waits for goes on
// without it: others wait, too.
func (s *tokens) Token(ctx context.Context, renew bool) (string, error) {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return "", driver.ErrClosed
	}
	now := time.Now()
	left := s.expires.Sub(now)
	if renew && now.Sub(s.made) > fresh {
		left = 0
	}
	if left > leastLeft {
		token := s.token
		if left < renewBefore && s.renewal == nil && !now.Before(s.later) {
			s.begin()
		}
		s.mu.Unlock()
		return token, nil
	}
	if s.renewal == nil {
		s.begin()
	}
	r := s.renewal
	s.mu.Unlock()
	select {
	case <-r.done:
		return r.token, r.err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// begin has a token made. s.mu is held.
func (s *tokens) begin() {
	r := &renewal{done: make(chan struct{})}
	s.renewal = r
	s.work.Go(func() {
		ctx, cancel := context.WithTimeout(s.life, mintTimeout)
		defer cancel()
		token, expires, err := s.mint(ctx)
		if err != nil && s.life.Err() != nil {
			err = driver.ErrClosed
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		r.token, r.err = token, err
		now := time.Now()
		if err == nil {
			s.token, s.made, s.expires = token, now, expires
		}
		s.later = now.Add(renewAgain) // also of a success: a kept one may have been handed out again
		s.renewal = nil
		close(r.done)
	})
}

// Close ends what is under way and waits for it.
func (s *tokens) Close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.end()
	s.work.Wait()
}
