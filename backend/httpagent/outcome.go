package httpagent

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/lambdapool/lambdapool/driver"
	"github.com/lambdapool/lambdapool/internal/once"
)

// This file is the table of what answers mean: whether the function ran, which sentinel the caller
// sees, and whether sending the same request again can help. What is in no table is an unknown outcome.

const (
	hintTooLarge = "send less per call, or let large payloads travel through a store: httpagent.WithStore"
	hintUnknown  = "the function may have run; only an idempotent one is run again"
	hintAgent    = "is this the URL of a lambdapool agent? the program must call agent.Main and run with LAMBDAPOOL_AGENT=http"
	hintToken    = "check LAMBDAPOOL_TOKEN here and at the agents, or who may call the service"
	hintLog      = "see the log of the agents' platform"
	hintRunsOn   = "the function may run on until it is done or its agent's timeout ends it"
)

// A verdict is what one answer means.
type verdict struct {
	outcome      driver.Outcome
	kind         error
	permanent    bool
	unauthorized bool
	hint         string
}

var (
	unknown   = verdict{kind: driver.ErrUnknownOutcome, hint: hintUnknown}
	notFound  = verdict{outcome: driver.OutcomeNotRun, kind: driver.ErrFunctionNotFound, permanent: true, hint: hintAgent}
	tooLarge  = verdict{outcome: driver.OutcomeNotRun, kind: driver.ErrTooLarge, permanent: true, hint: hintTooLarge}
	throttled = verdict{outcome: driver.OutcomeNotRun, kind: driver.ErrThrottled, hint: "lower the number of workers, or allow more agents"}
	denied    = verdict{outcome: driver.OutcomeNotRun, kind: driver.ErrAccessDenied, permanent: true, unauthorized: true, hint: hintToken}
)

// byAgent are the answers that have the mark: the agent's own word.
var byAgent = map[int]verdict{
	http.StatusBadRequest:            {outcome: driver.OutcomeNotRun, kind: driver.ErrDecode, permanent: true, hint: "build client and agent from the same code"},
	http.StatusUnauthorized:          denied,
	http.StatusForbidden:             denied,
	http.StatusNotFound:              notFound,
	http.StatusMethodNotAllowed:      notFound,
	http.StatusRequestEntityTooLarge: tooLarge,
	http.StatusTooManyRequests:       throttled,
	http.StatusInternalServerError:   {kind: driver.ErrUnknownOutcome, hint: hintLog},
	http.StatusServiceUnavailable:    {outcome: driver.OutcomeNotRun, kind: driver.ErrUnreachable, hint: "the agent is shutting down; another will answer"},
}

// byPlatform are the answers without the mark. Only what says by itself that the request went no further is
// "not run".
var byPlatform = map[int]verdict{
	http.StatusOK:                    {kind: driver.ErrDecode, permanent: true, hint: hintAgent},
	http.StatusUnauthorized:          denied,
	http.StatusForbidden:             denied,
	http.StatusNotFound:              notFound,
	http.StatusRequestEntityTooLarge: tooLarge,
	http.StatusTooManyRequests:       throttled,
	http.StatusServiceUnavailable:    {kind: driver.ErrUnknownOutcome, hint: "the agent crashed, ran out of memory or did not start: " + hintLog},
	http.StatusGatewayTimeout:        {kind: driver.ErrTimeout, hint: hintRunsOn},
}

func judge(status int, fromAgent bool) verdict {
	table := byPlatform
	if fromAgent {
		table = byAgent
	}
	if v, ok := table[status]; ok {
		return v
	}
	if status >= 300 && status < 400 { // followed, it would lead the token and the arguments elsewhere
		return notFound
	}
	return unknown
}

// An AnswerError is the cause of an attempt that was answered, but with no reply: errors.As finds it in what Invoke
// returns. The InvokeError around it says what it means.
type AnswerError struct {
	Status int  // of HTTP
	Agent  bool // an agent has said it; else the platform has, or a stranger

	said string
}

func (e *AnswerError) Error() string {
	who := "not an agent"
	if e.Agent {
		who = "the agent"
	}
	text := fmt.Sprintf("HTTP %d from %s", e.Status, who)
	if e.said != "" {
		text += ": " + e.said
	}
	return text
}

// refused classifies an answer that brought no reply.
func (b *Backend) refused(resp *http.Response, data []byte, id string) *failure {
	fromAgent := marked(resp.Header)
	v := judge(resp.StatusCode, fromAgent)
	if fromAgent {
		b.reached.Store(true)
	}
	answer := &AnswerError{Status: resp.StatusCode, Agent: fromAgent}
	// A platform's pages are HTML and may quote the request; the agent's words are ours.
	if fromAgent {
		answer.said = once.Clip(strings.TrimSpace(string(data)))
	}
	return &failure{
		InvokeError: driver.InvokeError{
			Outcome: v.outcome, Kind: v.kind, Err: answer, Permanent: v.permanent,
			RetryAfter: once.RetryAfter(resp.Header, time.Now()), RequestID: id, Hint: v.hint,
		},
		unauthorized: v.unauthorized,
	}
}

// noToken is the failure of a request that was not sent for want of a token.
func (b *Backend) noToken(caller context.Context, err error) *failure {
	if caller.Err() != nil {
		return &failure{InvokeError: b.lost(caller, caller, driver.OutcomeNotRun, err)}
	}
	err = fmt.Errorf("no token: %w", err)
	if errors.Is(err, driver.ErrClosed) {
		return &failure{InvokeError: *notSent(driver.ErrClosed, err, "invoke before Close")}
	}
	if errors.Is(err, driver.ErrUnreachable) {
		return &failure{InvokeError: driver.InvokeError{Outcome: driver.OutcomeNotRun, Kind: driver.ErrUnreachable, Err: err, Hint: "whoever makes the tokens does not answer; it is asked again"}}
	}
	return &failure{InvokeError: *notSent(driver.ErrAccessDenied, err, hintToken)}
}

// A noReplyError is the cause with which a request ends whose answer cannot come any more.
type noReplyError struct{ limit, margin time.Duration }

func (e *noReplyError) Error() string {
	return fmt.Sprintf("no answer within the agents' timeout of %v and %v more: the connection was lost without a trace", e.limit, e.margin)
}

// lost classifies an attempt that ended without an answer. caller is the context that Invoke was
// given, ctx the same within the longest that an answer takes.
func (b *Backend) lost(caller, ctx context.Context, outcome driver.Outcome, err error) driver.InvokeError {
	e := driver.InvokeError{Outcome: outcome, Err: err}
	var overdue *noReplyError
	switch {
	case errors.Is(caller.Err(), context.Canceled):
		e.Kind, e.Err = driver.ErrCanceled, context.Canceled
	case caller.Err() != nil:
		e.Kind, e.Err = driver.ErrTimeout, caller.Err()
	case errors.As(context.Cause(ctx), &overdue):
		e.Kind, e.Err = driver.ErrTimeout, overdue
	case outcome == driver.OutcomeUnknown:
		e.Kind, e.Hint = driver.ErrUnknownOutcome, hintUnknown
		e.Err = fmt.Errorf("connection lost: %w", once.Unquoted(err))
		return e
	default:
		once.Unreachable(&e, b.url.Host, err, b.reached.Load(), hints)
		return e
	}
	if outcome != driver.OutcomeNotRun {
		e.Hint = hintRunsOn
	}
	return e
}

// hints are for those who found no connection.
var hints = once.Hints{
	NoHost:      "check the host in the URL",
	Certificate: "the certificate is not trusted: for one of your own set the root certificates by WithHTTPTransport",
	NoTLS:       "the server does not speak TLS: http instead of https?",
	Otherwise:   "check the network, the proxy and the URL; is an agent running there?",
}

// cut is the failure of an answer that ended early or is too long.
func (b *Backend) cut(caller, ctx context.Context, err error, id string) *failure {
	var e driver.InvokeError
	if errors.Is(err, once.ErrTooLong) {
		e = driver.InvokeError{Kind: driver.ErrTooLarge, Err: err, Permanent: true, Hint: hintAgent}
	} else {
		e = b.lost(caller, ctx, driver.OutcomeUnknown, fmt.Errorf("the answer was cut short: %w", err))
	}
	e.RequestID = id
	return &failure{InvokeError: e}
}
