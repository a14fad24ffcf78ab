// Package faults decides what goes wrong on request, and does to an HTTP answer what then
// happens to it. Dice with a seed say what the n-th invocation meets; a gate refuses what
// is too much. It may know how requests are refused (package wire) and the frame in which a
// stale agent would answer. Agents and functions must never enter: what kills an agent, or
// what is answered when nothing is wrong, is for those who ask a Fate.
package faults
