// Package service is Lambda's Invoke. A Function takes invocations, those that are waited for
// and events, runs them in its environments within its share of the account's concurrency,
// and keeps the queue of its events. An API serves that over HTTP.
//
// It may know environments (package sandbox), the fates of invocations (package faults), a
// directory that outlives this process (package keep), and how requests are signed and
// refused (package wire). It must never know how functions come to be: no versions, no
// aliases, no code, no control plane, and no options of package local. Which function a
// request means, and what becomes of its events, is told to it.
//
//	Function    a program that is invoked, and the queue of its events
//	Config      what one is made of
//	Terms       what becomes of an event that cannot run, or fails
//	Account     the concurrency of a region, of which each function has a Quota
//	API         Invoke and InvokeWithResponseStream
//	KeptEvents  the events that an earlier process has left
//
// Inside, invoke.go takes a request and stream.go its stream, function.go finds an
// environment, events.go is the queue and kept.go what of it is on disk, and faulty.go
// answers when something is to go wrong.
package service
