package s3local

import "time"

// A clock is that of a store: it begins with the machine's and follows no leap of it, as
// that of S3 would not.
type clock struct{ began time.Time }

// Now returns the time, in the zone that S3 writes times in.
func (c clock) Now() time.Time {
	return c.began.Add(time.Since(c.began)).In(time.FixedZone("GMT", 0))
}

// Since returns how long ago t was, by the store's clock.
func (c clock) Since(t time.Time) time.Duration { return c.Now().Sub(t) }
