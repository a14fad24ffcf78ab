package progress

import (
	"time"

	"github.com/lambdapool/lambdapool"
)

// quiet is how long nothing has to end until a bar goes on by an estimate.
const quiet = time.Second

// An estimate is how far a run has probably come while nothing ends, as in large chunks, whose items end together: as
// far as it would have at the pace that it had until then, and never beyond what runs. It is never less than it was, so that a bar
// does not go back.
type estimate struct {
	done  int           // items that had ended when the last one did
	moved time.Duration // into the run, when that was
	shown int
}

// saw takes a Snapshot.
func (e *estimate) saw(s lambdapool.Snapshot) {
	if n := processed(s); n != e.done {
		e.done, e.moved = n, s.Elapsed
	}
}

// at returns how many items have probably ended, and whether that is more than is known. s.Elapsed is now.
func (e *estimate) at(s lambdapool.Snapshot) (done int, estimated bool) {
	known := processed(s)
	ahead := 0
	if since := s.Elapsed - e.moved; since >= quiet && e.moved > 0 {
		ahead = int(min(float64(e.done)/e.moved.Seconds()*since.Seconds(), 1e9))
	}
	most := known + max(s.Running-1, 0) // something does run still
	e.shown = max(known, min(max(known+ahead, e.shown), most))
	return e.shown, e.shown > known
}
