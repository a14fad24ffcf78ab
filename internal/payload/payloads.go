package payload

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lambdapool/lambdapool/codec"
	"github.com/lambdapool/lambdapool/driver"
	"github.com/lambdapool/lambdapool/internal/contain"
	"github.com/lambdapool/lambdapool/internal/registry"
)

const (
	// callKeys is what the keys of calls begin with, which a store may remove after a day.
	// Below, each executor has a folder with these two. Agents are given a form for the
	// second one, which has nothing but replies.
	callKeys  = "calls/"
	arguments = "arguments/"
	replies   = "replies/"

	// linkMargin is how much longer than an invocation a link lives: for a cold
	// start, which the timeout does not count, and for clocks that differ.
	linkMargin = 2 * time.Minute

	// openTries is how often a stored reply is read before it is given up.
	openTries = 3

	// CollectFrom is the size in bytes of encoded arguments that are worth a garbage
	// collection once they are stored: otherwise they would still be there when the reply,
	// as large, perhaps, arrives, since garbage may grow as large as what lives.
	CollectFrom = 32 << 20

	// ItemOverhead and EnvelopeRoom are what an item and an envelope take beside the arguments, generously.
	ItemOverhead = 8
	EnvelopeRoom = 2 << 10

	// Cleanup bounds how long Close waits for objects to be deleted.
	Cleanup = 15 * time.Second
)

// Payloads turns requests into what the backend carries, and replies back, by
// way of its store where they are large. It knows every key that may exist
// there, so that nothing of this executor remains.
type Payloads struct {
	Storage

	limit    int           // bytes of a request at most; 0: not known
	reply    int           // bytes of a reply at most; 0: not known
	life     time.Duration // of links, at most
	run      string        // what all keys begin with
	results  resultForm
	Compress bool // whether requests may be
	raw      bool // requests are sent as the frames they are, not as JSON
	logger   *slog.Logger
	keys     *storedKeys
	put      atomic.Int64 // bytes of arguments so far
	got      atomic.Int64 // and of results

	mu      sync.Mutex
	replies map[string]string // keys of replies, by the id of the request in flight that offers them
}

// A Parcel is a call's arguments in the store. It serves every attempt.
type Parcel struct {
	key    string
	stored codec.Stored
}

// New returns the payloads of an executor on a backend with s, whose invocation ids begin
// with prefix.
func New(s Storage, limits driver.Limits, prefix string, compress bool, logger *slog.Logger) *Payloads {
	const longest = 15 * time.Minute // on any platform known
	p := &Payloads{
		limit: limits.Request, reply: limits.Response, life: longest, Compress: compress, raw: limits.Raw, logger: logger,
		run:     callKeys + time.Now().UTC().Format("20060102T150405Z") + "-" + strings.TrimSuffix(prefix, "-") + "/",
		replies: map[string]string{}, Storage: s,
	}
	p.keys = &storedKeys{store: p.Store, run: p.run, logger: logger, needed: map[string]struct{}{}}
	if limits.Timeout > 0 {
		p.life = limits.Timeout
	}
	p.results = resultForm{store: p.Store, prefix: p.run + replies, life: formCalls * (p.life + linkMargin), making: make(chan struct{}, 1)}
	return p
}

// Inline is how many bytes of request, or of reply, are carried without the store.
func (p *Payloads) Inline(limit int) int {
	if p.Store == nil {
		return limit
	}
	above := p.Threshold
	if limit == 0 || above > 0 && above < limit {
		return above
	}
	return limit
}

// Pack encodes r, a request for f. What is too large to be sent is stored first, and
// kept in slot for the call's next attempts, which do without r.Items. left is the
// time that the call has, 0: any. The error is an *InvokeError: nothing was sent.
func (p *Payloads) Pack(ctx context.Context, r *codec.Request, f *registry.Function, slot *atomic.Pointer[Parcel], left time.Duration) ([]byte, error) {
	kept := slot.Load()
	if err := ctx.Err(); err != nil {
		return nil, Failure("send", driver.OutcomeNotRun, err) // and what was kept may be gone
	}
	items := len(r.Items)
	life := p.life
	if left > 0 {
		life = min(life, left)
	}
	life += linkMargin
	r.Compress = p.Compress
	if p.Store != nil && !p.fits(f, items) {
		if err := p.offer(ctx, r, life); err != nil {
			return nil, err
		}
	}
	if kept == nil {
		payload, frame, err := p.encode(r)
		if payload != nil || err != nil {
			return payload, err
		}
		if kept, err = p.store(ctx, r.ID, frame); err != nil {
			return nil, err
		}
		slot.Store(kept)
	}
	from, err := p.Store.LinkGet(ctx, kept.key, life)
	if err != nil {
		return nil, Failure("link to the arguments", driver.OutcomeNotRun, err)
	}
	small := *r
	small.Items, small.Stored = nil, &codec.Stored{From: from, Size: kept.stored.Size, SHA256: kept.stored.SHA256}
	return p.EncodeRequest(&small)
}

// encode returns the request as it is sent, or the frame of its items if they have
// to be stored.
func (p *Payloads) encode(r *codec.Request) ([]byte, *codec.Frame, error) {
	total, opts := Packing(r)
	limit := p.Inline(p.limit)
	if limit == 0 || p.Sent(total+EnvelopeRoom) <= limit {
		payload, err := p.EncodeRequest(r, opts...)
		if err != nil || limit == 0 || len(payload) <= limit {
			return payload, nil, err
		}
	}
	frame, err := codec.FrameRequest(r, opts...)
	if err != nil {
		return nil, nil, &driver.InvokeError{Outcome: driver.OutcomeNotRun, Kind: driver.ErrTooLarge, Err: err, Permanent: true}
	}
	size := p.Sent(int(frame.Size()) + EnvelopeRoom)
	if p.Sent(int(frame.Size())) <= limit { // compressed, it may be small enough after all
		payload, err := p.EncodeRequest(r, opts...)
		if err != nil || len(payload) <= limit {
			return payload, nil, err
		}
		size = len(payload)
	}
	if p.Store == nil {
		return nil, nil, &driver.InvokeError{
			Outcome: driver.OutcomeNotRun, Kind: driver.ErrTooLarge, Permanent: true,
			Err:  fmt.Errorf("the request has %d bytes, the limit is %d", size, limit),
			Hint: p.Larger("send less in one call" + p.growth()),
		}
	}
	return nil, frame, nil
}

// Sent is how many bytes of request n bytes of frame are.
func (p *Payloads) Sent(n int) int {
	if p.raw {
		return n
	}
	return (n + 2) / 3 * 4 // base64
}

// growth says why a request is larger than what is in it.
func (p *Payloads) growth() string {
	if p.raw {
		return ""
	}
	return "; base64 makes bytes a third more on the way"
}

// Packing returns about how many bytes the items of r take, and how to encode them.
func Packing(r *codec.Request) (total int, opts []codec.FrameOption) {
	total = ItemOverhead * len(r.Items)
	for _, item := range r.Items {
		total += len(item)
	}
	if r.Compress && total >= codec.CompressFrom {
		opts = append(opts, codec.Compress())
	}
	return total, opts
}

// Larger adds to a hint which option carries more.
func (p *Payloads) Larger(hint string) string {
	if p.Store != nil || p.Option == "" {
		return hint
	}
	return hint + ", or have large payloads stored: " + p.Option
}

// EncodeRequest returns r as the backend takes it, whatever its size. The error is an *InvokeError.
func (p *Payloads) EncodeRequest(r *codec.Request, opts ...codec.FrameOption) ([]byte, error) {
	encode := codec.EncodeRequest
	if p.raw {
		encode = codec.EncodeRawRequest
	}
	payload, err := encode(r, opts...)
	if err != nil {
		return nil, &driver.InvokeError{Outcome: driver.OutcomeNotRun, Kind: driver.ErrEncode, Err: err, Permanent: true}
	}
	return payload, nil
}

// fits says whether n results of f are certainly small enough to be returned; then a
// link that nobody needs is not made.
func (p *Payloads) fits(f *registry.Function, n int) bool {
	const perItem = 64 // of the envelope
	limit := p.Inline(p.reply)
	size, ok := registry.ResultSize(f)
	return ok && (limit == 0 || n <= limit/2/(size+perItem))
}

// offer adds to r where a large reply goes.
func (p *Payloads) offer(ctx context.Context, r *codec.Request, life time.Duration) error {
	key := p.replyKey(r.ID)
	spill := &codec.Spill{Name: strings.TrimPrefix(key, p.results.prefix), Above: p.Threshold}
	var err error
	spill.To, err = p.results.link(ctx, life)
	if errors.Is(err, errors.ErrUnsupported) {
		spill.Name = ""
		spill.To, err = p.Store.LinkPut(ctx, key, life)
	}
	if err != nil {
		return Failure("link for the result", driver.OutcomeNotRun, err)
	}
	p.keys.need(key)
	r.Spill = spill
	return nil
}

// replyKey makes the key of the reply to a request, once. All agents have the same form, so
// nobody but the agent that is to use a key can guess it: none can touch another's reply.
func (p *Payloads) replyKey(id string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.replies[id] == "" {
		p.replies[id] = p.results.prefix + id + "-" + rand.Text()
	}
	return p.replies[id]
}

// replied returns the key that was made for the reply to a request, or nothing.
func (p *Payloads) replied(id string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.replies[id]
}

// Traffic returns how many bytes have gone to the store so far, and have come from it.
func (p *Payloads) Traffic() (sent, received int64) { return p.put.Load(), p.got.Load() }

func (p *Payloads) store(ctx context.Context, id string, frame *codec.Frame) (*Parcel, error) {
	key := p.run + arguments + id
	p.keys.need(key)
	if err := p.Store.Put(ctx, key, frame.Reader(), frame.Size(), frame.Sum()); err != nil {
		p.keys.dropLater(key, deleteAgain) // who knows what it left
		return nil, Failure(fmt.Sprintf("store arguments of %d bytes", frame.Size()), driver.OutcomeNotRun, err)
	}
	p.put.Add(frame.Size())
	return &Parcel{key: key, stored: *frame.Stored(driver.Link{})}, nil
}

// Failure is the error of an attempt whose payload did not make it.
func Failure(op string, outcome driver.Outcome, err error) *driver.InvokeError {
	e := &driver.InvokeError{}
	var known *driver.InvokeError
	if errors.As(err, &known) {
		*e = *known
		err = known.Err
	}
	e.Outcome, e.Err = outcome, fmt.Errorf("%s: %w", op, err)
	var fault *contain.FaultError
	e.Permanent = e.Permanent || errors.As(err, &fault) // a bug, and not the weather
	switch {
	case errors.Is(err, context.Canceled):
		e.Kind = driver.ErrCanceled
	case errors.Is(err, context.DeadlineExceeded):
		e.Kind = driver.ErrTimeout
	case e.Kind == nil:
		e.Kind = driver.ErrStore
	}
	if errors.Is(err, codec.ErrDamaged) && e.Hint == "" {
		e.Hint = "something changed the object after it was stored; does anything else write to the bucket?"
	}
	return e
}

// Discard deletes what an ended call has stored.
func (p *Payloads) Discard(slot *atomic.Pointer[Parcel]) {
	if kept := slot.Swap(nil); kept != nil {
		p.keys.drop(kept.key)
	}
}

// Unsent notes that no reply to the request id will come: it was certainly not run.
func (p *Payloads) Unsent(id string) {
	if p.Store != nil {
		p.keys.forget(p.replied(id))
	}
}

// Landed notes that nobody waits for the reply to the request id any more. One that nobody has
// taken may yet be stored, for as long as an agent may run.
func (p *Payloads) Landed(id string, sent bool) {
	if p.Store == nil {
		return
	}
	p.mu.Lock()
	key := p.replies[id]
	delete(p.replies, id)
	p.mu.Unlock()
	switch {
	case key == "":
	case sent:
		p.keys.dropLater(key, p.life+linkMargin)
	default:
		p.keys.forget(key)
	}
}

// Drop deletes arguments that are in no call's slot.
func (p *Payloads) Drop(kept *Parcel) { p.keys.drop(kept.key) }

// Needed is how many objects may be in the store for calls that have not ended.
func (p *Payloads) Needed() int {
	p.keys.mu.Lock()
	defer p.keys.mu.Unlock()
	return len(p.keys.needed)
}

// Close deletes everything that may be in the store. Nothing is in flight any more.
func (p *Payloads) Close() {
	if p.Store != nil {
		p.keys.close()
	}
}
