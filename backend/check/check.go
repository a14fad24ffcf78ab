// Package check is a backend that finds functions which give one result in the client and
// another in an agent. Each call runs in both, in this process and in an agent process of this
// machine, and fails with lambdapool.ErrVersionMismatch where the two differ.
//
// The usual cause is a package-level variable that main sets, often by a flag:
//
//	var factor = flag.Int("factor", 1, "…")
//
//	var scale = lambdapool.Register("scale", func(_ context.Context, n int) (int, error) { return n * *factor, nil })
//
// With -factor 10, inproc gives 30 for 3. On local and on Lambda, where agents never come as far as
// flag.Parse, it is 3, and neither of them can know that 30 was meant. Here it is an error:
//
//	lambdapool: call scale: client and agent differ: the result is 30 in this process and 3 in an agent …
//
// Use it once, by hand, or in the tests of a program. Open it by the URL "check:", or:
//
//	func TestMain(m *testing.M) {
//		agent.Main() // the test binary is its own agent
//		os.Exit(m.Run())
//	}
//
//	func TestScale(t *testing.T) {
//		*factor = 10 // as main does
//		b, err := check.New()
//		…
//		got, err := lambdapool.Call(ctx, pool, scale, 3) // fails
//	}
//
// # What it can tell
//
// It says that results differ only where this process gives the same twice, before the agent and
// after it: a function that draws random numbers or looks at the clock cannot be compared. The log
// says so, once for each function, and the agent's result counts. It sees nothing of a global that
// does not change a result.
//
// Each call runs at least twice, and a third time to make sure of a difference: do not use it for
// functions that send mail. Payloads above what an invocation carries, and detached runs, are not for it.
package check

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"

	"github.com/lambdapool/lambdapool/backend/inproc"
	"github.com/lambdapool/lambdapool/backend/local"
	"github.com/lambdapool/lambdapool/codec"
	"github.com/lambdapool/lambdapool/driver"
)

// A Backend runs each call in this process and in an agent. Make one with [New]; it is safe for
// concurrent use.
type Backend struct {
	here  *inproc.Backend
	agent *local.Backend
	told  sync.Map // names of functions of which the log says that they cannot be compared
}

var _ driver.Backend = (*Backend)(nil)

// New returns a Backend whose agents are as opts say. It fails as [local.New] does: main, or
// TestMain, must have called agent.Main. The caller closes it.
func New(opts ...local.Option) (*Backend, error) {
	agent, err := local.New(opts...)
	if err != nil {
		return nil, err
	}
	return &Backend{here: inproc.New(inproc.WithTimeout(agent.Limits().Timeout)), agent: agent}, nil
}

// Limits returns those of the agents.
func (b *Backend) Limits() driver.Limits { return b.agent.Limits() }

// Build names the build that the agents should be: see [local.Backend.Build].
func (b *Backend) Build() string { return b.agent.Build() }

// Invoke runs a request in this process, then in an agent, and a second time in this process
// where they differ. The reply is the agent's, but for items that are certain to differ: these are
// errors. An error is that of whichever failed first, as [inproc.Backend.Invoke] and
// [local.Backend.Invoke] return it.
func (b *Backend) Invoke(ctx context.Context, req *driver.Request) (*driver.Response, error) {
	_, before, err := run(ctx, b.here, req)
	if err != nil {
		return nil, err
	}
	resp, agents, err := run(ctx, b.agent, req)
	if err != nil || len(before.Items) != len(agents.Items) || len(differences(before, agents)) == 0 {
		return resp, err
	}
	_, after, err := run(ctx, b.here, req)
	if err != nil {
		return nil, err
	}
	name := functionOf(req)
	certain := false
	for _, i := range differences(before, agents) {
		if i >= len(after.Items) || !bothReturned(&before.Items[i], &after.Items[i]) {
			continue // this process did not come to a result a second time
		}
		if !equal(&before.Items[i], &after.Items[i]) {
			b.tell(name)
			continue
		}
		certain = true
		agents.Items[i] = codec.ItemReply{Run: agents.Items[i].Run, Err: &codec.Error{
			Kind:    codec.KindVersionMismatch,
			Message: difference(shown(&before.Items[i]), shown(&agents.Items[i])),
			Hint: "does the function use a variable, a flag or the environment of main? Agents come no further than agent.Main: " +
				"pass it as an argument, or set it for all agents with local.WithEnv",
		}}
	}
	if !certain {
		return resp, nil
	}
	payload, err := codec.EncodeReply(agents)
	if err != nil {
		return nil, &driver.InvokeError{Outcome: driver.OutcomeRan, Kind: driver.ErrEncode, Err: err, Permanent: true}
	}
	changed := *resp
	changed.Payload = payload
	return &changed, nil
}

// difference says it for people.
func difference(here, there string) string {
	if here == there {
		return "the result is " + here + " in this process and in an agent of it, but they differ in what is not shown: in fields, in types or further on"
	}
	return fmt.Sprintf("the result is %s in this process and %s in an agent of it", here, there)
}

// run has one of the two run the request.
func run(ctx context.Context, b driver.Backend, req *driver.Request) (*driver.Response, *codec.Reply, error) {
	resp, err := b.Invoke(ctx, req)
	if err != nil {
		return nil, nil, err
	}
	reply, err := codec.DecodeReply(resp.Payload)
	if err != nil {
		return nil, nil, &driver.InvokeError{Kind: driver.ErrDecode, Err: err, RequestID: resp.RequestID}
	}
	return resp, reply, nil
}

// differences returns the items that two replies disagree about.
func differences(a, b *codec.Reply) (items []int) {
	for i := range min(len(a.Items), len(b.Items)) {
		if x, y := &a.Items[i], &b.Items[i]; bothReturned(x, y) && !equal(x, y) {
			items = append(items, i)
		}
	}
	return items
}

// bothReturned reports whether both outcomes are the function's. What it had no part in, such as a timeout,
// says nothing.
func bothReturned(x, y *codec.ItemReply) bool { return functions(x.Err) && functions(y.Err) }

// functions reports whether an outcome is the function's: a value, an error or a panic.
func functions(err *codec.Error) bool {
	return err == nil || err.Kind == codec.KindFunction || err.Kind == codec.KindPanic
}

// equal compares what a client would see, but for stacks.
func equal(x, y *codec.ItemReply) bool {
	if x.Err == nil || y.Err == nil {
		return x.Err == y.Err && bytes.Equal(x.Value, y.Value)
	}
	return x.Err.Kind == y.Err.Kind && x.Err.Type == y.Err.Type && x.Err.Message == y.Err.Message && slices.Equal(x.Err.Codes, y.Err.Codes) &&
		slices.EqualFunc(x.Err.Values, y.Err.Values, func(a, b codec.ErrorValue) bool { return a.Code == b.Code && bytes.Equal(a.Data, b.Data) })
}

// functionOf names the function of a request, empty if it cannot be read.
func functionOf(req *driver.Request) string {
	r, err := codec.DecodeRequest(req.Payload)
	if err != nil {
		return ""
	}
	return r.Func
}

func (b *Backend) tell(name string) {
	if _, told := b.told.LoadOrStore(name, true); !told {
		slog.Warn("lambdapool: check: the function gives another result each time, also in one process: its calls cannot be compared",
			"func", cmp.Or(name, "?"))
	}
}

// Close closes both: what runs is ended as [local.Backend.Close] and [inproc.Backend.Close] say.
func (b *Backend) Close() error { return errors.Join(b.agent.Close(), b.here.Close()) }
