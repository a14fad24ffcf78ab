package schedule

import "time"

const (
	pardonShare   = 0.005 // of the requests: refusals that are always pardoned
	pardonFactor  = 2     // and so many times the background share
	maxPardons    = 16    // that can be saved up while there is no background
	maxBackground = 0.1   // a share above this is not noise but a crowd
	blockSize     = 256   // answers over which a share is measured, at least
	blockTicks    = 2     // and for how long, at least
)

// A background tells refusals that follow from the pool's load from those that
// do not. A pool at a limit sees blocks of answers without any refusal between
// its probes; what refuses at random does so in every block. The smallest share
// of the last few blocks is therefore not the pool's doing: to slow down would
// not cure it, and a pool that tried would end at one slot.
type background struct {
	began    time.Duration // of the current block
	answers  int
	refusals int
	shares   [4]float64 // of the last blocks
	pardons  float64    // refusals that may be pardoned
}

// admitted counts one request that was let in, of a pool at the given level.
func (b *background) admitted(t, tick time.Duration, level float64, probing bool) {
	rate := pardonShare + pardonFactor*b.share()
	b.pardons = min(b.pardons+rate, max(maxPardons, rate*level))
	if !probing {
		b.count(t, tick)
	}
}

// refused counts one refusal, and reports whether it is pardoned.
func (b *background) refused(t, tick time.Duration, probing bool) bool {
	if !probing {
		b.refusals++
		b.count(t, tick)
	}
	if b.pardons < 1 || probing && b.share() == 0 {
		return false
	}
	b.pardons--
	return true
}

// count ends the current block if it is large enough.
func (b *background) count(t, tick time.Duration) {
	b.answers++
	if b.answers < blockSize || t < b.began+blockTicks*tick {
		return
	}
	copy(b.shares[1:], b.shares[:])
	b.shares[0] = float64(b.refusals) / float64(b.answers)
	b.began, b.answers, b.refusals = t, 0, 0
}

// share is the share of requests that would be refused whatever the pool does.
func (b *background) share() float64 {
	s := min(b.shares[0], b.shares[1], b.shares[2], b.shares[3])
	if s > maxBackground {
		return 0
	}
	return s
}
