package awslambda

import (
	"net/http"
	"sync/atomic"
	"time"
)

// A clock tells the time that requests are signed with: this machine's, until
// Lambda refuses a signature and its own time turns out to be another one.
// Laptops and virtual machines that slept are late quite often.
type clock struct{ ahead atomic.Int64 } // nanoseconds that Lambda's is ahead

// tolerance is below the 5 minutes that AWS allows a signature to be off.
const tolerance = 4 * time.Minute

func (c *clock) now() time.Time {
	return time.Now().Add(time.Duration(c.ahead.Load()))
}

// learn takes the time over from the answer to r, if it is another one than r was signed
// at: this clock may have learned it meanwhile, from another answer. It returns by how much the
// machine's clock is off.
func (c *clock) learn(r *http.Request, h http.Header) (time.Duration, bool) {
	at, err := http.ParseTime(h.Get("Date"))
	signed, unsigned := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
	if err != nil || unsigned != nil || at.Sub(signed).Abs() < tolerance {
		return 0, false
	}
	ahead := time.Until(at).Round(time.Second)
	c.ahead.Store(int64(ahead))
	return ahead.Abs(), true
}
