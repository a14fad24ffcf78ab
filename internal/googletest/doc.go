// Package googletest runs Google's own clients against Google Cloud of internal/googlelocal: what they send must be
// understood, and what they read must be there. It is a module of its own, so that what they depend on stays out of
// the project's:
//
//	go -C internal/googletest test ./...
package googletest
