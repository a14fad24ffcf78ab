package agent

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/lambdapool/lambdapool/codec"
	"github.com/lambdapool/lambdapool/internal/isolate"
)

// journalKey is where an invocation's context has what is recorded of it.
type journalKey struct{}

// journaled returns a context whose invocation is recorded in inv.
func journaled(ctx context.Context, inv *isolate.Invocation) context.Context {
	return context.WithValue(ctx, journalKey{}, inv)
}

// A record notes in shared memory what becomes of the items of an invocation. The
// methods of a nil record do nothing: nobody would read what it notes.
type record struct {
	inv   *isolate.Invocation
	began time.Time // when the invocation did, perhaps in a process that is gone
}

// recordOf returns the record of ctx's invocation, or nil.
func recordOf(ctx context.Context) *record {
	inv, _ := ctx.Value(journalKey{}).(*isolate.Invocation)
	if inv == nil {
		return nil
	}
	return &record{inv: inv, began: inv.Began()}
}

// resumed reports whether a process that is gone had the invocation.
func (r *record) resumed() bool { return r != nil && r.inv.Resumed() }

// start returns when the invocation began, for what began here at now.
func (r *record) start(now time.Time) time.Time {
	if !r.resumed() {
		return now
	}
	return r.began
}

// open makes room for n items, and returns where to note them: nil when there is none. It
// reports false when nothing is known of them although some may have run in a process
// that is gone.
func (r *record) open(n int) (_ *record, known bool) {
	if r == nil || r.inv.Items(n) {
		return r, true
	}
	return nil, !r.inv.Resumed()
}

// begin notes that item i is about to run: whoever looks after a death takes it for the cause, or
// one of them.
func (r *record) begin(i int) {
	if r != nil {
		r.inv.Begin(i)
	}
}

// end keeps what became of an item that was begun.
func (r *record) end(i int, reply *codec.ItemReply) {
	switch {
	case r == nil:
	case reply.Err == nil:
		r.inv.Done(i, reply.Value, reply.Run)
	default:
		// A frame of its own: such items are few, and large beside it.
		problem, err := codec.EncodeReply(&codec.Reply{Items: []codec.ItemReply{{Err: reply.Err}}})
		if err != nil {
			problem = nil
		}
		r.inv.Failed(i, problem, reply.Run)
	}
}

// attempts is how often an item of a detached request is begun that may run again: as often
// as the platform delivers an invocation that fails.
const attempts = 3

// A leftover is what is known of an item that a process which is gone had begun.
type leftover struct {
	reply codec.ItemReply
	again bool // it may run once more; the reply is for want of time
}

// left returns what is known of the first of n items, which a process that is gone had begun.
// again says that they may run more than once, and nobody else sees to it. timedOut
// completes the error of the i'th, whose time was up.
func (r *record) left(n int, again bool, timedOut func(i int, e *codec.Error) *codec.Error) (begun []leftover) {
	if !r.resumed() {
		return nil
	}
	death, running := r.inv.Death(), 0
	for i := range n {
		if r.inv.State(i) == isolate.Begun {
			running++
		}
	}
	for i := range n {
		state := r.inv.State(i)
		if state == isolate.Fresh {
			break // they are begun in their order
		}
		item := leftover{reply: r.reply(i, state, death)}
		if state == isolate.Begun {
			switch {
			case death.Stopped:
				item.reply.Err = timedOut(i, &codec.Error{
					Kind:    codec.KindTimeout,
					Message: "the function was still running and kept the agent from answering, whose process was stopped",
					Hint:    "return soon after ctx.Done() is closed",
				})
			case running > 1:
				item.reply.Err.Hint = fmt.Sprintf("it may have been any of the %d items that ran at that moment: Parallel(1) tells which; %s", running, item.reply.Err.Hint)
			}
			if item.again = again && !death.Stopped && r.inv.Times(i) < attempts; !item.again {
				r.end(i, &item.reply) // the next death is another
			}
		}
		begun = append(begun, item)
	}
	return begun
}

// reply is what is known of item i, after the death of its process.
func (r *record) reply(i int, state isolate.State, death isolate.Death) codec.ItemReply {
	data, run := r.inv.Result(i)
	switch state {
	case isolate.Done:
		return codec.ItemReply{Value: data, Run: run}
	case isolate.Failed:
		return codec.ItemReply{Err: failedBefore(data), Run: run}
	case isolate.Lost:
		e := crashed(death, "and the item's result was too large to be kept until it could be sent")
		e.Hint = "return less, or send fewer items per invocation"
		return codec.ItemReply{Err: e, Run: run}
	default:
		return codec.ItemReply{Err: crashed(death, "while the item ran"), Run: time.Since(r.began)}
	}
}

// failedBefore decodes what end has kept of an error.
func failedBefore(problem []byte) *codec.Error {
	reply, err := codec.DecodeReply(problem)
	if err != nil || len(reply.Items) != 1 || reply.Items[0].Err == nil {
		return &codec.Error{Kind: codec.KindFunction, Message: "the function failed, and its error was lost with the agent's process"}
	}
	return reply.Items[0].Err
}

// crashed describes an item whose process has ended.
func crashed(death isolate.Death, when string) *codec.Error {
	e := &codec.Error{
		Kind:    codec.KindCrashed,
		Message: fmt.Sprintf("the agent's process ended %s: %s", when, death.Status),
		Hint:    "see the function's log",
		Stack:   death.Output,
	}
	if reason := fatal(death.Output); reason != "" {
		e.Message += ": " + reason
	}
	if death.OutOfMemory {
		e.Kind, e.Hint = codec.KindOutOfMemory, "raise the function's memory, or send less per call"
	}
	return e
}

// fatal says why the runtime ended the process, as far as its output tells: it has the
// stacks, and the words only of a panic.
func fatal(output string) string {
	for line := range strings.Lines(output) {
		if strings.HasPrefix(line, "panic: ") {
			return clip(strings.TrimSpace(line), maxMessage)
		}
	}
	switch {
	case output == "":
		return ""
	case strings.Contains(output, "runtime.newstack("):
		return "stack overflow"
	case strings.Contains(output, "maps.fatal("):
		return "concurrent use of a map"
	default:
		return "a fatal error of the Go runtime"
	}
}

// blind answers for items of which nothing is known.
func blind(death isolate.Death) *codec.Error {
	return &codec.Error{
		Kind:    codec.KindLost,
		Message: fmt.Sprintf("the agent's process ended (%s), and there were too many items to keep account of", death.Status),
		Hint:    "send fewer items per invocation",
	}
}
