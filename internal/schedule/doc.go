// Package schedule holds the pool's decisions: when the next invocation may
// start, whether and when a failed one is tried again.
//
// Everything here is pure. Every method that needs the time is given it, every
// method that needs chance is given a source of it; there are no goroutines, no
// timers and no locks. Nothing is safe for concurrent use: the executor owns
// these values and calls them under the lock of its queue.
package schedule
