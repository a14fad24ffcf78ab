package main

import (
	"errors"
	"net/netip"
	"regexp"
	"strings"

	"github.com/lambdapool/lambdapool/deploy"
	"github.com/lambdapool/lambdapool/internal/detached"
)

// What CloudWatch Logs and Lambda accept, checked here so that a typing mistake is not an answer of
// AWS's.
var (
	// Source: Qualifier in docs.aws.amazon.com/lambda/latest/api/API_Invoke.html, 2026-11.
	qualifierPattern = regexp.MustCompile(`^(\$LATEST(\.PUBLISHED)?|[a-zA-Z0-9_-]{1,128})$`)

	tracePattern     = regexp.MustCompile(`^[0-9a-f]{32}$`)
	requestIDPattern = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)
)

// maxFilter is how long a filter pattern may be. Source: filterPattern in
// docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_FilterLogEvents.html, 2026-11.
const maxFilter = 1024

// checkQualifier finds what Lambda would refuse. "" is fine: no version was named.
func checkQualifier(q string) error {
	if q == "" || qualifierPattern.MatchString(q) {
		return nil
	}
	return usage("qualifier %q: must be a version's number, an alias or $LATEST", q)
}

// checkRequestID finds what is no id of an invocation, before a whole log is searched for it.
func checkRequestID(id string) error {
	if id == "" || requestIDPattern.MatchString(id) {
		return nil
	}
	return usage("request-id %q: must be like 1b1a3d34-5f0e-4e0c-a2a3-3f1c8d7a9b10, as REPORT lines and errors have it", id)
}

// checkAddress finds what backend/local would refuse.
func checkAddress(address string) error {
	if address == "" {
		return nil
	}
	addr, err := netip.ParseAddrPort(address)
	switch {
	case err != nil:
		return usage("address %q: %w (it is IP:PORT, such as 127.0.0.1:9001)", address, err)
	case !addr.Addr().Is4() || !addr.Addr().IsLoopback():
		return usage("address %q: not on loopback, such as 127.0.0.1:%d", address, addr.Port())
	}
	return nil
}

// checkLogs finds what the cloud's log would refuse.
func (a *app) checkLogs(q *deploy.LogQuery) error {
	on, err := a.on()
	switch {
	case err != nil:
		return err
	case q.Item != nil && *q.Item < 0:
		return usage("item %d: must be 0 or more, the place in the run's input", *q.Item)
	case q.Run != "" && detached.CheckID(q.Run) != nil:
		return usage("run %q: %v", q.Run, detached.CheckID(q.Run))
	case on == onLambda:
		return errors.Join(checkRequestID(q.RequestID), checkFilter(q.Filter))
	case q.RequestID != "" && !tracePattern.MatchString(q.RequestID):
		return usage("request-id %q: must be the id of a trace, 32 hexadecimal digits, as results and errors have it", q.RequestID)
	}
	return nil
}

// checkFilter finds what CloudWatch Logs would refuse, of what is easily mistyped.
func checkFilter(pattern string) error {
	first, last := pattern, pattern
	if text := strings.TrimSpace(pattern); text != "" {
		first, last = text[:1], text[len(text)-1:]
	}
	switch {
	case len(pattern) > maxFilter:
		return usage("filter: has %d characters, CloudWatch Logs takes %d", len(pattern), maxFilter)
	case strings.Count(strings.ReplaceAll(pattern, `\"`, ""), `"`)%2 != 0:
		return usage("filter %q: a quotation mark is missing", pattern)
	case (first == "{") != (last == "}") || (first == "[") != (last == "]"):
		return usage("filter %q: a bracket is missing", pattern)
	}
	return nil
}
