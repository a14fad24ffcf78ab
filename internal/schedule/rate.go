package schedule

import "time"

// rateSpan is how far back a Rate looks.
const rateSpan = 10 * time.Second

// A Rate is how many things a second have been done lately. The zero Rate is
// ready. It is not safe for concurrent use.
type Rate struct{ seen []ratePoint }

type ratePoint struct {
	at   time.Time
	done int
}

// Observe notes how many are done at all, and returns how many a second were
// done in the last ten.
func (r *Rate) Observe(now time.Time, done int) float64 {
	r.seen = append(r.seen, ratePoint{now, done})
	for len(r.seen) > 2 && now.Sub(r.seen[1].at) > rateSpan {
		r.seen = r.seen[1:]
	}
	first := r.seen[0]
	if span := now.Sub(first.at).Seconds(); span > 0 {
		return float64(done-first.done) / span
	}
	return 0
}
