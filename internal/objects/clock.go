package objects

import "time"

// A Clock is that of a store.
type Clock func() time.Time

// Steady begins with the machine's clock and follows no leap of it, as that of a cloud would not.
func Steady() Clock {
	began := time.Now()
	return func() time.Time { return began.Add(time.Since(began)) }
}

// Since returns how long ago t was, by the store's clock.
func (c Clock) Since(t time.Time) time.Duration { return c().Sub(t) }

// Stamp is the time as it is stored: of the second that a header can say, and stores keep no less.
func (c Clock) Stamp() time.Time { return c().UTC().Truncate(time.Millisecond) }
