package codec

import "time"

const (
	graceMost  = 500 * time.Millisecond
	graceShare = 4 // of the time left, at most this part
)

// Grace is how long after [Request.Remaining] an agent answers at the latest: until then it
// waits for functions that ignore their context. A client whose items share an invocation waits
// for as long, and for the way back.
//
// It is a quarter of the time that remains, 500 ms at most. 0 or less remaining stands for no
// deadline, and gives 500 ms. Both sides compute it, so neither sends it.
func Grace(remaining time.Duration) time.Duration {
	if remaining <= 0 {
		return graceMost
	}
	return min(graceMost, remaining/graceShare)
}
