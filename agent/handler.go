package agent

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/codec"
	"github.com/lambdapool/lambdapool/internal/suggest"
)

// A Handler answers invocations with the functions of one registry. It knows no
// transport: [Main] puts it behind Lambda's Runtime API, backend/inproc calls it
// directly. It is safe for concurrent use.
type Handler struct {
	// MaxReply is the size in bytes above which a reply is not sent: results
	// that do not fit become errors of their items. NewHandler sets it to
	// [codec.MaxReply]. It must not be changed once Invoke was called.
	MaxReply int

	// Transport carries what a request keeps in an object store, and results
	// that do not fit into a reply. Nil, as NewHandler leaves it, means HTTP/1.1
	// with the proxy of the environment. It must not be changed once Invoke
	// was called.
	Transport http.RoundTripper

	// Guest says that the process is not the handler's own: its CPU time and
	// memory are mostly its host's, and not measured.
	Guest bool

	registry    *lambdapool.Registry
	fingerprint func() uint64            // the registry's, as of the first invocation
	plain       func() http.RoundTripper // for want of a Transport
	instance    string
	ready       time.Time // when the process could serve; zero outside of an agent
	memory      int64     // MB
	invocations atomic.Uint64
	abandoned   atomic.Int64 // calls that run on although they were answered for
	running     gauge        // goroutines in or around a function
}

// NewHandler returns a Handler for the functions of r; nil means
// [lambdapool.DefaultRegistry].
func NewHandler(r *lambdapool.Registry) *Handler {
	if r == nil {
		r = lambdapool.DefaultRegistry
	}
	return &Handler{
		MaxReply:    codec.MaxReply,
		registry:    r,
		fingerprint: sync.OnceValue(r.Fingerprint),
		plain:       sync.OnceValue(newStoreTransport),
		instance:    newInstance(),
		memory:      memorySetting(),
	}
}

// newInstance names this process. It has to be unlike others, not secret: the
// first random bytes of crypto/rand take a tenth of a cold start's milliseconds.
func newInstance() string {
	return strconv.FormatUint(rand.Uint64(), 36) + strconv.FormatUint(rand.Uint64(), 36) //nolint:gosec // see above
}

// A BadRequestError says that a payload is no request of a lambdapool client.
// No function ran.
type BadRequestError struct {
	Err error // what is wrong with the payload
}

func (e *BadRequestError) Error() string {
	return fmt.Sprintf("lambdapool: agent: %v; this function is a lambdapool agent: call it through the lambdapool client or `lambdapool invoke`", e.Err)
}

// Unwrap returns what is wrong with the payload.
func (e *BadRequestError) Unwrap() error { return e.Err }

// Invoke answers one invocation: payload as codec.EncodeRequest makes it, the
// reply for codec.DecodeReply. It blocks until every item has run, at the
// latest until shortly before ctx's deadline, which it takes for the moment at
// which the process is killed. When ctx is canceled before, it returns at once
// with the cause; functions that ignore their context run on.
//
// Whatever the functions do is in the reply. The error is a *[BadRequestError]
// for a payload that cannot be read, or ctx's.
func (h *Handler) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	began, cpu := time.Now(), h.cpuTime()
	number := h.invocations.Add(1)
	req, err := codec.DecodeRequest(payload)
	if err != nil {
		return nil, &BadRequestError{err}
	}
	if req.Detached != nil {
		return h.detached(ctx, req, number, func() (*codec.Reply, error) { return h.reply(ctx, req, number, began, cpu) })
	}
	reply, err := h.reply(ctx, req, number, began, cpu)
	if err != nil {
		return nil, err
	}
	return h.answer(ctx, req, reply)
}

// reply does what the request, the process's number'th, asks for.
func (h *Handler) reply(ctx context.Context, req *codec.Request, number uint64, began time.Time, cpu time.Duration) (*codec.Reply, error) {
	reply := &codec.Reply{ID: req.ID}
	atOnce := procs(h.memory)
	switch req.Op {
	case codec.OpDescribe:
		reply.Functions = h.describe()
	case codec.OpCall:
		fn, problem := h.find(req)
		if problem != nil {
			reply.Err = problem
			break
		}
		problem, err := h.fetch(ctx, req)
		if err != nil {
			return nil, err
		}
		if problem != nil {
			reply.Err = problem
			break
		}
		if reply.Items, err = h.runItems(ctx, fn, req, atOnce); err != nil {
			return nil, err
		}
	default:
		reply.Err = &codec.Error{
			Kind:    codec.KindBadRequest,
			Message: fmt.Sprintf("the agent knows no operation %d", req.Op),
			Hint:    "the client is newer than the agent: build both from the same source",
		}
	}
	now := time.Now()
	ran := now.Sub(began)
	reply.Agent = codec.AgentStats{
		Instance:   h.instance,
		Invocation: number,
		Cold:       number == 1,
		Run:        ran,
		CPU:        h.cpuTime() - cpu,
		PeakMemory: h.peakMemory(now, ran),
		Memory:     h.memory << 20,
		Registry:   h.fingerprint(),
		Procs:      atOnce,
	}
	if number == 1 {
		reply.Agent.Init = h.initialization()
	}
	return reply, nil
}

func (h *Handler) transport() http.RoundTripper {
	if h.Transport != nil {
		return h.Transport
	}
	return h.plain()
}

// Wait blocks until no function runs any more, including those left behind, or
// until ctx ends. It returns how many still run.
func (h *Handler) Wait(ctx context.Context) int { return h.running.wait(ctx) }

func (h *Handler) cpuTime() time.Duration {
	if h.Guest {
		return 0
	}
	return cpuTime()
}

func (h *Handler) peakMemory(now time.Time, ran time.Duration) int64 {
	if h.Guest {
		return 0
	}
	return peakMemory(now, ran)
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
func (h *Handler) find(req *codec.Request) (*lambdapool.Function, *codec.Error) {
	f, ok := h.registry.Lookup(req.Func)
	if !ok {
		return nil, h.unknown(req.Func)
	}
	if req.Shape != f.Fingerprint() {
		return nil, &codec.Error{Kind: codec.KindVersionMismatch, Message: f.Shape(), Hint: f.Signature()}
	}
	return f, nil
}

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
