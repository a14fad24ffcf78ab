package agent

import (
	"log/slog"
	"os"

	"github.com/lambdapool/lambdapool/codec"
	"github.com/lambdapool/lambdapool/internal/funclog"
)

// levelVariable is how Lambda's logging controls say which lines are wanted.
// Source: docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-advanced.html, 2026-11.
const levelVariable = "AWS_LAMBDA_LOG_LEVEL"

// cloudRunVariable is set on Cloud Run, whose log has severities.
// Source: cloud.google.com/run/docs/container-contract, 2026-11.
const cloudRunVariable = "K_SERVICE"

// logLines makes lines of JSON of what functions log, in a process that is an agent.
func logLines() {
	var level slog.Level
	_ = level.UnmarshalText([]byte(os.Getenv(levelVariable))) // what slog does not know is Info
	funclog.NewHandler(os.Stderr, level, os.Getenv(cloudRunVariable) != "").Install()
}

// logged says whose the lines are that the functions log from now on, until end is called.
func (r *run) logged() (end func()) {
	if r.h.Guest { // the log is its host's
		return func() {}
	}
	r.ctx.logs.Sole = r.sole
	return r.ctx.logs.Begin()
}

// sole returns the only item that runs, or -1.
func (r *run) sole() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	only := -1
	for i := range r.next {
		switch {
		case r.states[i] != itemBegun:
		case only >= 0:
			return -1
		default:
			only = i
		}
	}
	return only
}

// fitLogs has logs take no room of the reply to req that its values may need. They do not send it to the
// store, where it would otherwise be carried.
func (h *Handler) fitLogs(req *codec.Request, reply *codec.Reply) {
	used := replyRoom
	none := true
	for i := range reply.Items {
		used += size(&reply.Items[i]) + itemRoom
		none = none && reply.Items[i].Logs == nil
	}
	if none {
		return
	}
	limit := h.MaxReply
	switch {
	case req.Detached != nil:
		limit = codec.MaxStored
	case req.Spill != nil:
		if req.Spill.Above > 0 {
			limit = min(limit, req.Spill.Above)
		}
		if limit /= 2; used > limit { // it goes to the store anyway
			limit = codec.MaxStored
		}
	}
	funclog.Fit(reply.Items, limit-used)
}

// dropLogs takes them out of a reply that is too large all the same, and reports whether there were any.
func dropLogs(reply *codec.Reply) (dropped bool) {
	for i := range reply.Items {
		dropped = dropped || reply.Items[i].Logs != nil
		reply.Items[i].Logs = nil
	}
	return dropped
}
