package detached

import "time"

// How often a run is listed. One that moves is looked at often, one that stands still
// seldom, and none so often that listing becomes the work: a listing of many pages takes
// its time.
const (
	pollMin   = 250 * time.Millisecond
	pollMax   = 15 * time.Second
	pollShare = 4 // the interval is at least so many times what a listing took
)

// A Poll is the pace of listings: from four a second to one in 15 seconds. The zero value is
// ready to use. It is not safe for concurrent use.
type Poll struct{ interval time.Duration }

// Next returns how long to wait after a listing that took so long and showed
// something new, or did not.
func (p *Poll) Next(changed bool, took time.Duration) time.Duration {
	if changed {
		p.interval /= 2
	} else {
		p.interval += p.interval / 2
	}
	p.interval = min(max(p.interval, pollMin, pollShare*took), pollMax)
	return p.interval
}
