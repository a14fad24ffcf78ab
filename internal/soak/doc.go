// Package soak holds a test that sends many calls through every fault that
// backend/local can make, all at once, and proves from a ledger that the
// agents keep what became of each. `go test` sends a few thousand; `make soak`
// a hundred thousand, with another seed every time:
//
//	go test ./internal/soak -run TestSoak -v -args -soak.calls=100000 -soak.seed=7
//
// Another test plants secrets in arguments, results, environments and
// credentials, and looks for them in all that is said about calls that fail.
package soak
