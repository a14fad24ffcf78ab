// Package runs sends detached runs, and follows them: what nobody waits for is queued by the platform, agents record
// the results in the store, and whoever wants them looks there. A [Submission] is a run on its way to the platform,
// again after a crash where it was; a [Follower] lists the run's objects while somebody wants to know, fetches what
// is over, sends what agents had no time for, and ends what the platform will not.
//
// It knows the store and the events of a backend (driver), what a run's objects say (internal/detached, where it is
// decided without doing anything), and an executor for its names, its patience and its log. Calls in queues, type
// parameters and the errors that programs see must never enter: results are bytes, and failures are values of
// internal/failure.
package runs
