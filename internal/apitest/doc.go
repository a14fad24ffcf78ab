// Package apitest holds the public API still. contract_test.go is a program as users write it: it
// compiles as long as the signatures that the design promises are there. The listings in testdata are
// every exported declaration of every public package: current.txt as it is now, released.txt as of the
// last release. What is in the second and not in the first breaks somebody's program, and the CHANGELOG has to say so.
// backend_test.go is another such program, a backend of somebody else's, and leak_test.go fails calls in
// every way there is: what their errors wrap are types that programs can name.
//
// It imports what it lists, and nothing imports it.
package apitest
