package schedule

import "time"

// A Backoff says how long one call waits before it is tried again: a random
// time below a ceiling that doubles from Base with every attempt until Max
// ("full jitter", which spreads a herd better than any fixed fraction).
// The zero Backoff does not wait at all.
type Backoff struct {
	Base time.Duration // the ceiling after the first attempt
	Max  time.Duration // the ceiling never grows above it; 0: it stays at Base
}

// Delay returns the wait after the given number of attempts, counted from 1.
// The platform's own wish, retryAfter, is a floor: the jitter comes on top of
// it, or all who were told the same second would return in the same instant.
// rnd returns numbers in [0, 1), such as [math/rand/v2.Float64].
func (b Backoff) Delay(attempt int, retryAfter time.Duration, rnd func() float64) time.Duration {
	floor := max(retryAfter, 0)
	jitter := time.Duration(rnd() * float64(b.ceiling(attempt)))
	return floor + min(jitter, Forever-floor)
}

// ceiling returns the longest jitter after the given number of attempts.
func (b Backoff) ceiling(attempt int) time.Duration {
	c := max(b.Base, 0)
	for range attempt - 1 {
		if c == 0 || c >= b.Max/2 {
			return max(b.Base, b.Max)
		}
		c *= 2
	}
	return c
}
