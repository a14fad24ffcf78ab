package report

// A kind is how an invocation is shown: by the worst that can be said of it.
type kind uint8

// From the best to the worst: what an invocation is, besides being one. Their numbers are in the
// page's data.
const (
	okay kind = iota
	cold
	hedge
	failed
	lost
	throttled
)

// kind looks for the worst first. A throttled invocation has no answer either, and says more.
func (r *Report) kind(e *entry) kind {
	switch {
	case e.throttle != 0:
		return throttled
	case e.err != 0:
		return lost
	case e.failed > 0:
		return failed
	case e.hedge:
		return hedge
	case e.cold:
		return cold
	default:
		return okay
	}
}

// String returns what a legend says.
func (k kind) String() string {
	return [...]string{"answered", "cold start", "hedge", "with failed calls", "no answer", "throttled"}[k]
}
