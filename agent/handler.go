package agent

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/codec"
	"github.com/lambdapool/lambdapool/internal/agentmain"
	"github.com/lambdapool/lambdapool/internal/isolate"
	"github.com/lambdapool/lambdapool/internal/linked"
	"github.com/lambdapool/lambdapool/internal/registry"
	"github.com/lambdapool/lambdapool/internal/relief"
	"github.com/lambdapool/lambdapool/internal/suggest"
)

// A Handler answers invocations with the functions of one registry. It knows no transport:
// [Main] puts it behind Lambda's Runtime API, backend/inproc calls it directly. Use one in
// tests, or to put agents behind a transport of your own. Programs that run on Lambda, on
// backend/local or behind HTTP call [Main] and never see it.
//
// Get it from [NewHandler]; its zero value cannot be used. It is safe for concurrent use, and
// several invocations may run at once. It holds nothing that must be closed, but functions that
// ignored their context may still run: see [Handler.Wait].
type Handler struct {
	// MaxReply is the size in bytes above which a reply is not sent: results that do not fit
	// become errors of their items. NewHandler sets it to [codec.MaxReply], which is what
	// Lambda carries. Another transport may carry more. It must not be changed once Invoke was
	// called.
	MaxReply int

	// Transport carries what a request keeps in an object store, and results that do not fit
	// into a reply. Nil, as NewHandler leaves it, means HTTP/1.1 with the proxy of the
	// environment. Set it where the store needs its own root certificates, or in a test. It
	// must not be changed once Invoke was called.
	Transport http.RoundTripper

	// Guest says that the process is not the handler's own: its CPU time and memory are mostly
	// its host's. Then they are not measured, and zero in replies. No invocation is a cold start
	// either, since nothing was started for it. It must not be changed once Invoke was called.
	Guest bool

	registry    *registry.Registry
	fingerprint func() uint64            // the registry's, as of the first invocation
	plain       func() http.RoundTripper // for want of a Transport
	instance    string
	build       string    // of the executable, if who started it said so
	ready       time.Time // when the process could serve; zero outside of an agent
	memory      int64     // MB
	procs       int       // items at once; 0: as many as that memory has processors on Lambda
	invocations atomic.Uint64
	abandoned   atomic.Int64     // calls that run on although they were answered for
	running     gauge            // goroutines in or around a function
	environment *isolate.Journal // nil: this process is all there is
	starter     starter
	calls       atomic.Int64 // that were begun
}

// NewHandler returns a Handler for the functions of r. Nil means [lambdapool.DefaultRegistry].
// Register them all before the first Invoke, when the fingerprint of r is taken. It does not
// block, and reads the function's memory from the environment that Lambda sets.
func NewHandler(r *lambdapool.Registry) *Handler {
	if r == nil {
		r = lambdapool.DefaultRegistry
	}
	return &Handler{
		MaxReply:    codec.MaxReply,
		registry:    (*registry.Registry)(r),
		fingerprint: sync.OnceValue(r.Fingerprint),
		plain:       sync.OnceValue(func() http.RoundTripper { return linked.Network() }),
		instance:    newInstance(),
		build:       os.Getenv(agentmain.BuildVariable),
		memory:      memorySetting(),
	}
}

// newInstance names this process. It has to be unlike others, not secret: the
// first random bytes of crypto/rand take a tenth of a cold start's milliseconds.
func newInstance() string {
	return strconv.FormatUint(rand.Uint64(), 36) + strconv.FormatUint(rand.Uint64(), 36) //nolint:gosec // see above
}

// A BadRequestError says that a payload is no request of a lambdapool client, for example since
// somebody called the function from the console. No function ran.
type BadRequestError struct {
	Err error // what is wrong with the payload
}

func (e *BadRequestError) Error() string {
	return fmt.Sprintf("lambdapool: agent: %v; this function is a lambdapool agent: call it through the lambdapool client or `lambdapool invoke`", e.Err)
}

// Unwrap returns what is wrong with the payload.
func (e *BadRequestError) Unwrap() error { return e.Err }

// Invoke answers one invocation: payload as codec.EncodeRequest makes it, the reply for
// codec.DecodeReply. payload must not be changed while it runs.
//
// It blocks until every item has run, at the latest until shortly before ctx's deadline, which
// it takes for the moment at which the process is killed. Items that were not begun by then are
// given back, and their client sends them again. When ctx is canceled before, it returns at
// once with the cause. Functions that ignore their context run on.
//
// Whatever the functions do is in the reply: errors, panics and runtime.Goexit, too. The error
// is a *[BadRequestError] for a payload that cannot be read, or ctx's.
func (h *Handler) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	return h.invoke(ctx, payload, h.invocations.Add(1))
}

// invoke is Invoke of the number'th invocation.
func (h *Handler) invoke(ctx context.Context, payload []byte, number uint64) ([]byte, error) {
	began, cpu := time.Now(), h.cpuTime()
	req, err := codec.DecodeRequest(payload)
	if err != nil {
		return nil, &BadRequestError{err}
	}
	if to := relief.From(ctx); to != nil && h.canStay(req) {
		s := heres.Get().(*here)
		s.in, s.to = invocation{h: h, req: req, number: number, began: began, cpu: cpu}, to
		return s.stay(ctx)
	}
	in := &invocation{h: h, req: req, number: number, began: began, cpu: cpu}
	if req.Detached != nil {
		return h.detached(ctx, req, number, func() (*codec.Reply, error) {
			err := in.work(ctx)
			return &in.reply, err
		})
	}
	if err := in.work(ctx); err != nil {
		return nil, err
	}
	return h.answer(ctx, req, &in.reply)
}

// An invocation is a request on its way to its reply.
type invocation struct {
	h      *Handler
	req    *codec.Request
	number uint64 // of the process, from 1
	began  time.Time
	cpu    time.Duration // of the process until then
	atOnce int
	spent  codec.Spent // by what its functions have called
	reply  codec.Reply
}

// work does what the request asks for: finds the function, fetches what is stored, runs the items
// and adds the measurements. What goes wrong in that is in the reply. An error means that there is
// none, since the caller has gone.
func (in *invocation) work(ctx context.Context) error {
	fn, record, err := in.prepare(ctx)
	if err != nil {
		return err
	}
	if fn != nil {
		if in.reply.Items, err = in.runItems(ctx, fn, record); err != nil {
			return err
		}
	}
	in.measure(time.Now())
	return nil
}

// prepare returns the function whose items are to run, and where they are recorded; or none, and then
// the reply says why.
func (in *invocation) prepare(ctx context.Context) (*registry.Function, *record, error) {
	h, req := in.h, in.req
	in.reply.ID, in.atOnce = req.ID, h.atOnce()
	switch req.Op {
	case codec.OpDescribe:
		in.reply.Functions = h.describe()
		return nil, nil, nil
	case codec.OpCall:
	default:
		in.reply.Err = &codec.Error{
			Kind:    codec.KindBadRequest,
			Message: fmt.Sprintf("the agent knows no operation %d", req.Op),
			Hint:    "the client is newer than the agent: build both from the same source",
		}
		return nil, nil, nil
	}
	fn, problem := h.find(req)
	if problem != nil {
		in.reply.Err = problem
		return nil, nil, nil
	}
	problem, err := h.fetch(ctx, req)
	if err != nil || problem != nil {
		in.reply.Err = problem
		return nil, nil, err
	}
	if failed := h.start(ctx, req); failed != nil && recordOf(ctx).resumed() {
		req.Remaining = 1 // what a process before this one has done counts, and nothing else is begun
	} else if failed != nil {
		in.reply.Err = failed
		return nil, nil, nil
	}
	h.startCounts(req, in.number)
	h.calls.Add(int64(len(req.Items)))
	record, known := recordOf(ctx).open(len(req.Items))
	if !known {
		in.reply.Err = blind(h.environment.Death())
		return nil, nil, nil
	}
	return fn, record, nil
}

// measure adds to the reply what the agent has measured until now.
func (in *invocation) measure(now time.Time) {
	h := in.h
	h.fitLogs(in.req, &in.reply)
	ran := now.Sub(in.began)
	in.reply.Agent = codec.AgentStats{
		Instance:   h.instance,
		Invocation: in.number,
		Cold:       in.number == 1 && !h.Guest,
		Run:        ran,
		CPU:        h.cpuTime() - in.cpu,
		PeakMemory: h.peakMemory(now, ran),
		Memory:     h.memory << 20,
		Registry:   h.fingerprint(),
		Procs:      in.atOnce,
	}
	if in.spent.Invocations > 0 {
		spent := in.spent
		in.reply.Agent.Nested = &spent
	}
	if in.reply.Agent.Cold {
		in.reply.Agent.Init = h.initialization()
	}
	if !h.Guest { // a guest is the client's own process
		in.reply.Agent.Build = h.build
	}
}

// atOnce is how many items of an invocation run at the same time, unless it says so.
func (h *Handler) atOnce() int {
	if h.procs > 0 {
		return min(h.procs, runtime.GOMAXPROCS(0))
	}
	return procs(h.memory)
}

// transport is how the object store is reached.
func (h *Handler) transport() http.RoundTripper {
	if h.Transport != nil {
		return h.Transport
	}
	return h.plain()
}

// Wait blocks until no function runs any more, including those left behind, or until ctx ends.
// It returns how many still run, so 0 is success. Call it before you take away what functions
// use, such as a database. It does not stop them, and new invocations are not refused.
func (h *Handler) Wait(ctx context.Context) int { return h.running.wait(ctx) }

// cpuTime is that of the process so far, zero for a guest.
func (h *Handler) cpuTime() time.Duration {
	if h.Guest {
		return 0
	}
	return cpuTime()
}

// peakMemory is the highest resident size of the process in bytes, and of the one that it has taken
// over from; zero for a guest.
func (h *Handler) peakMemory(now time.Time, ran time.Duration) int64 {
	if h.Guest {
		return 0
	}
	peak := peakMemory(now, ran)
	if h.environment != nil && h.environment.Restarted() {
		peak = max(peak, h.environment.Death().Peak)
	}
	return peak
}

// initialization returns how long the process took from its start until it
// could serve. Asking the kernel waits for the first invocation: it takes as
// long as a good part of the start.
func (h *Handler) initialization() time.Duration {
	if h.ready.IsZero() {
		return 0
	}
	return max(sinceStart(begun)-time.Since(h.ready), h.ready.Sub(begun))
}

// startCounts takes the agent's start off the time that is left: the request has waited for it.
// A process that was started before there was a request loses no more than a part of its time.
func (h *Handler) startCounts(req *codec.Request, number uint64) {
	if number == 1 && req.Remaining > 0 {
		req.Remaining -= min(h.initialization(), req.Remaining/marginMost)
	}
}

// start has what the program does at an agent's start done before its first call. It takes its time from the call's.
func (h *Handler) start(ctx context.Context, req *codec.Request) *codec.Error {
	if h.starter.over() {
		return nil
	}
	began := time.Now()
	kill, _ := ctx.Deadline()
	if end, _ := deadlines(began, kill, req.Remaining, req.Detached != nil); !end.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, end)
		defer cancel()
	}
	failed := h.starter.start(ctx)
	if req.Remaining > 0 {
		req.Remaining = max(1, req.Remaining-time.Since(began))
	}
	return failed
}

// describe lists the registry.
func (h *Handler) describe() []codec.FunctionInfo {
	var infos []codec.FunctionInfo
	for _, f := range h.registry.Functions() {
		infos = append(infos, codec.FunctionInfo{Name: f.Name(), Shape: f.Shape()})
	}
	return infos
}

// find returns the function that req asks for, or says why it cannot run.
//
// For a version mismatch, Message is the agent's Shape of the function and Hint
// its Signature: the client puts its own beside them.
func (h *Handler) find(req *codec.Request) (*registry.Function, *codec.Error) {
	f, ok := h.registry.Lookup(req.Func)
	if !ok {
		return nil, h.unknown(req.Func)
	}
	if req.Shape != f.Fingerprint() {
		return nil, &codec.Error{Kind: codec.KindVersionMismatch, Message: f.Shape(), Hint: f.Signature()}
	}
	return f, nil
}

// unknown says that there is no such function, and which names are nearest. The usual cause is a
// package that only the client imports.
func (h *Handler) unknown(name string) *codec.Error {
	functions := h.registry.Functions()
	e := &codec.Error{
		Kind:    codec.KindNotRegistered,
		Message: fmt.Sprintf("the agent has no function %q; it has %d", clip(name, 256), len(functions)),
		Hint:    "import the package that registers it in the agent's main too, and deploy the agent again",
	}
	names := make([]string, len(functions))
	for i, f := range functions {
		names[i] = f.Name()
	}
	if names = suggest.Nearest(name, names); len(names) > 0 {
		e.Message += ", nearest: " + strings.Join(names, ", ")
	}
	return e
}
