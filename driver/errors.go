package driver

import (
	"errors"

	"github.com/lambdapool/lambdapool/internal/registry"
)

// The kinds of failure that a backend, or what is above it, can name: [InvokeError.Kind] is one of
// them, and errors.Is finds it in the error that the caller sees, whatever the backend. Package lambdapool has
// the same ones under the same names.
var (
	// ErrNotRegistered: the name, or the function value, is in no registry that was asked.
	ErrNotRegistered = registry.ErrNotRegistered
	// ErrBadArguments: the arguments do not fit the function's signature, or the call itself is malformed.
	ErrBadArguments = registry.ErrBadArguments
	// ErrEncode: an argument or a result cannot be turned into bytes.
	ErrEncode = registry.ErrEncode
	// ErrDecode: bytes that arrived are not what was expected.
	ErrDecode = errors.New("cannot decode")
	// ErrTooLarge: a payload is above what the backend carries.
	ErrTooLarge = errors.New("payload too large")
	// ErrThrottled: the platform refused to start the call until its time was up.
	ErrThrottled = errors.New("throttled")
	// ErrTimeout: the call's time, or the function's, was up.
	ErrTimeout = errors.New("timed out")
	// ErrOutOfMemory: the agent's process ended at its memory limit, while the call ran.
	ErrOutOfMemory = errors.New("out of memory")
	// ErrAgentCrashed: the agent's process ended while the call ran, or did not start. The error's
	// LogTail may have what the Go runtime said.
	ErrAgentCrashed = errors.New("agent crashed")
	// ErrUnknownOutcome: nobody can say whether the function ran; it is not run again unless it is idempotent.
	ErrUnknownOutcome = errors.New("unknown outcome")
	// ErrVersionMismatch: client and agent were built from different function signatures.
	ErrVersionMismatch = errors.New("client and agent differ")
	// ErrAccessDenied: the platform refused the caller's credentials or rights.
	ErrAccessDenied = errors.New("access denied")
	// ErrFunctionNotFound: the platform has no such function or service, or no such version, alias or tag of it.
	ErrFunctionNotFound = errors.New("function not found")
	// ErrUnreachable: no connection to the backend could be made; nothing ran.
	ErrUnreachable = errors.New("backend unreachable")
	// ErrCanceled: the call was canceled by Cancel, by its context, by Close, or because an earlier item failed.
	ErrCanceled = errors.New("canceled")
	// ErrClosed: the executor or the backend no longer takes calls.
	ErrClosed = errors.New("closed")
	// ErrStore: the object store that carries large payloads and records detached runs failed.
	ErrStore = errors.New("object store failed")
	// ErrExpired: no agent began the call in time: the platform dropped it, or it was never sent.
	ErrExpired = errors.New("expired")
	// ErrAgentStart: what the program does at an agent's start (agent.OnStart) has failed; nothing ran.
	ErrAgentStart = errors.New("agent did not start")
	// ErrTooDeep: a function called on its own pool, below more functions than WithMaxDepth allows.
	ErrTooDeep = errors.New("calls from calls are too deep")
)
