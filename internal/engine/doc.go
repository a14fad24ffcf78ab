// Package engine is the life of a call, from when it is accepted to its one end: it waits in a queue, a worker takes
// it, a backend makes an attempt, and the reply ends it or it is sent again. Items of a run wait in the run's lane and
// become calls when a worker takes some of them, as a chunk. Every policy is here or, as a pure decision, in
// internal/schedule: how many at once, whose turn it is, when to slow down, to duplicate, to divide, to give up.
//
// It knows functions without their types, arguments and results as bytes, and failures as values of
// internal/failure. Who wants a value is a [Sink], who wants the items of a run an [Output]: the root has those,
// with the types. So type parameters, options and the errors that programs see must never enter, and neither must
// what a cloud is.
//
// Where to look: a call is accepted by [Executor.Accept] (executor.go) and queued (queue.go, fair.go). dispatch takes
// what is next and starts a worker for it, work has it attempted until there is nothing left (dispatch.go). attempt
// sends it and judge decides what follows (attempt.go), open reads the reply (reply.go). A [Promise] is how it ended,
// for who waits. One mutex, Executor.mu, guards what is queued and in flight; a promise has its own, which is taken
// after it or without it.
package engine
