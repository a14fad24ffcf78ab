// Package soak holds the long tests, which break what they can and count what became of each
// call. `go test` plays a short version of each; `make soak` and `make kill` the long ones, with
// another seed every time.
//
// TestSoak sends many calls through every fault that backend/local can make, all at
// once, and proves from a ledger that the agents keep what became of each:
//
//	go test ./internal/soak -run TestSoak -v -args -soak.calls=100000 -soak.seed=7
//
// TestSoakHTTP does that behind HTTP, on the embedded Cloud Run: what is between client and front end resets, cuts and
// corrupts, answers with the statuses of front ends, and instances are killed and replaced by new revisions.
//
// TestDetached has processes for the object store, for the embedded Lambda and for clients, and
// kills them, and agents, as kill -9 does; the store has no room for a while, and the clocks
// differ. It plays on the embedded Lambda, and on Google's stand-ins. What each client is told of each call is compared with an undisturbed run, with
// what other clients are told, and with a ledger. TestJournal kills a client that has a
// journal:
//
//	go test ./internal/soak -run 'TestDetached|TestJournal' -v -args -soak.items=10000 -soak.seed=7
//
// Another test plants secrets in arguments, results, environments and
// credentials, and looks for them in all that is said about calls that fail.
package soak
