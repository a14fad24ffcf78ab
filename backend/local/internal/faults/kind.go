package faults

import "time"

// A Kind is a kind of fault.
type Kind uint8

// The kinds of faults.
const (
	Throttle Kind = iota
	Refuse
	ErrorBefore
	ErrorAfter
	ResetBefore
	ResetAfter
	Truncate
	Corrupt
	Slow
	Straggle
	Crash
	OutOfMemory
	Stale
	ColdStart
	EventDrop
	EventDuplicate
	EventCrash

	Kinds // how many there are, and the fate of most
)

// A Share is the fraction of invocations that meet a kind of fault.
type Share struct {
	Kind     Kind
	Fraction float64
}

// A Plan is what goes wrong, and how often. It has been checked.
type Plan struct {
	Seed     uint64
	Throttle Throttling
	Calls    []Share // of synchronous invocations; together at most 1
	Events   []Share // of Event invocations

	SlowFor    time.Duration
	StraggleBy float64
	ColdStart  time.Duration
}
