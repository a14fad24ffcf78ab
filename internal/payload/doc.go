// Package payload carries what is too large for an invocation: arguments and results by way of a backend's store, and
// sees to it that nothing remains there. It makes requests of what is to be sent and reads replies, whatever way they
// take, so that who sends them need not know which that was.
//
// It may know codec, which frames bytes, driver, where a store is an interface, and what functions return at most.
// Calls, attempts, retries and runs must never enter: it is told when an object is needed, and when no more.
package payload
