package service

import (
	"errors"
	"net/http"
	"syscall"
	"time"

	"github.com/lambdapool/lambdapool/backend/local/internal/wire"
)

var (
	errThrottled = &wire.Refusal{
		Status: http.StatusTooManyRequests, Code: "TooManyRequestsException", Message: "Rate Exceeded.",
		Reason: "ReservedFunctionConcurrentInvocationLimitExceeded", RetryAfter: time.Second,
	}
	errAccountThrottled = &wire.Refusal{
		Status: http.StatusTooManyRequests, Code: "TooManyRequestsException", Message: "Rate Exceeded.",
		Reason: "ConcurrentInvocationLimitExceeded", RetryAfter: time.Second,
	}
	// Lambda documents no reason of its own for a function that grows too fast, and names no time.
	errGrowing = &wire.Refusal{
		Status: http.StatusTooManyRequests, Code: "TooManyRequestsException", Message: "Rate Exceeded.",
		Reason: "ConcurrentInvocationLimitExceeded",
	}
)

// noResources is Lambda's answer when the machine cannot start one more
// environment. The function did not run.
func noResources(err error) *wire.Refusal {
	return &wire.Refusal{
		Status: http.StatusBadGateway, Code: "EC2ThrottledException",
		Message: "lambdapool: local: no agent can be started on this machine: " + err.Error() + wayOut(err),
	}
}

// wayOut says what to do when the machine's own limits are reached.
func wayOut(err error) string {
	switch {
	case errors.Is(err, syscall.EMFILE):
		return " (this process has as many files open as it may: raise the limit with ulimit -n, or have fewer agents with local.WithConcurrency)"
	case errors.Is(err, syscall.ENFILE), errors.Is(err, syscall.EAGAIN), errors.Is(err, syscall.ENOMEM):
		return " (the machine has no room for one more process: have fewer agents with local.WithConcurrency)"
	}
	return ""
}
