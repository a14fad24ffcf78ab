package lambdapool

import (
	"context"
	"encoding"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lambdapool/lambdapool/codec"
)

const (
	// callKeys is what the keys of calls begin with, which a store may remove after a day.
	callKeys = "calls/"

	// linkMargin is how much longer than an invocation a link lives: for a cold
	// start, which the timeout does not count, and for clocks that differ.
	linkMargin = 2 * time.Minute

	// openTries is how often a stored reply is read before it is given up.
	openTries = 3

	// collectFrom is the size in bytes of encoded arguments that are worth a garbage
	// collection once they are stored: otherwise they would still be there when the reply,
	// as large, perhaps, arrives, since garbage may grow as large as what lives.
	collectFrom = 32 << 20

	// storeCleanup bounds how long Close waits for objects to be deleted.
	storeCleanup = 15 * time.Second
)

// payloads turns requests into what the backend carries, and replies back, by
// way of its store where they are large. It knows every key that may exist
// there, so that nothing of this executor remains.
type payloads struct {
	store    Store         // nil: none
	option   string        // that configures one
	limit    int           // bytes of a request at most; 0: not known
	reply    int           // bytes of a reply at most; 0: not known
	life     time.Duration // of links, at most
	run      string        // what all keys begin with
	results  resultForm
	compress bool
	logger   *slog.Logger

	mu    sync.Mutex
	keys  map[string]bool // that may exist; true: no longer needed
	sweep chan struct{}   // closed when the sweeper ends; nil: none runs
}

// WithCompression says whether arguments and results of 16 KiB and more are
// compressed on their way, with zstd at its fastest, where they shrink by a tenth at
// least. It saves time on every network, and on Lambda carries a few megabytes
// more of most data. The default is true.
func WithCompression(on bool) Option {
	return func(c *config) error {
		c.verbatim = !on
		return nil
	}
}

// A parcel is a call's arguments in the store. It serves every attempt.
type parcel struct {
	key    string
	stored codec.Stored
}

// newPayloads returns the payloads of an executor on b, whose invocation ids begin
// with prefix.
func newPayloads(b Backend, limits Limits, prefix string, compress bool, logger *slog.Logger) *payloads {
	const longest = 15 * time.Minute // on any platform known
	p := &payloads{
		limit: limits.Request, reply: limits.Response, life: longest, compress: compress, logger: logger,
		run:  callKeys + time.Now().UTC().Format("20060102T150405Z") + "-" + strings.TrimSuffix(prefix, "-") + "/",
		keys: map[string]bool{},
	}
	if limits.Timeout > 0 {
		p.life = limits.Timeout
	}
	if s, ok := b.(Storer); ok {
		p.store, p.option = s.Store(), s.StoreOption()
	}
	p.results = resultForm{store: p.store, prefix: p.run, life: formCalls * (p.life + linkMargin), making: make(chan struct{}, 1)}
	return p
}

// inline is how many bytes of request, or of reply, are carried without the store.
func (p *payloads) inline(limit int) int {
	if p.store == nil {
		return limit
	}
	above := p.store.Threshold()
	if limit == 0 || above > 0 && above < limit {
		return above
	}
	return limit
}

// pack encodes r, a request for f. What is too large to be sent is stored first, and
// kept in slot for the call's next attempts, which do without r.Items. left is the
// time that the call has, 0: any. The error is an *InvokeError: nothing was sent.
func (p *payloads) pack(ctx context.Context, r *codec.Request, f *Function, slot *atomic.Pointer[parcel], left time.Duration) ([]byte, error) {
	kept := slot.Load()
	if err := ctx.Err(); err != nil {
		return nil, storeFailure("send", OutcomeNotRun, err) // and what was kept may be gone
	}
	items := len(r.Items)
	life := p.life
	if left > 0 {
		life = min(life, left)
	}
	life += linkMargin
	r.Compress = p.compress
	if p.store != nil && !p.fits(f, items) {
		if err := p.offer(ctx, r, life); err != nil {
			return nil, err
		}
	}
	if kept == nil {
		payload, frame, err := p.encode(r)
		if payload != nil || err != nil {
			return payload, err
		}
		if kept, err = p.put(ctx, r.ID, frame); err != nil {
			return nil, err
		}
		slot.Store(kept)
	}
	from, err := p.store.LinkGet(ctx, kept.key, life)
	if err != nil {
		return nil, storeFailure("link to the arguments", OutcomeNotRun, err)
	}
	small := *r
	small.Items, small.Stored = nil, &codec.Stored{From: from, Size: kept.stored.Size, SHA256: kept.stored.SHA256}
	return encodeRequest(&small)
}

// encode returns the request as it is sent, or the frame of its items if they have
// to be stored.
func (p *payloads) encode(r *codec.Request) ([]byte, *codec.Frame, error) {
	total, opts := packing(r)
	limit := p.inline(p.limit)
	if limit == 0 || base64Len(total+envelopeRoom) <= limit {
		payload, err := encodeRequest(r, opts...)
		if err != nil || limit == 0 || len(payload) <= limit {
			return payload, nil, err
		}
	}
	frame, err := codec.FrameRequest(r, opts...)
	if err != nil {
		return nil, nil, &InvokeError{Outcome: OutcomeNotRun, Kind: ErrTooLarge, Err: err, Permanent: true}
	}
	size := base64Len(int(frame.Size()) + envelopeRoom)
	if base64Len(int(frame.Size())) <= limit { // compressed, it may be small enough after all
		payload, err := encodeRequest(r, opts...)
		if err != nil || len(payload) <= limit {
			return payload, nil, err
		}
		size = len(payload)
	}
	if p.store == nil {
		return nil, nil, &InvokeError{
			Outcome: OutcomeNotRun, Kind: ErrTooLarge, Permanent: true,
			Err:  fmt.Errorf("the request has %d bytes, the limit is %d", size, limit),
			Hint: p.larger("send less in one call; base64 makes bytes a third more on the way"),
		}
	}
	return nil, frame, nil
}

// packing returns about how many bytes the items of r take, and how to encode them.
func packing(r *codec.Request) (total int, opts []codec.FrameOption) {
	total = itemOverhead * len(r.Items)
	for _, item := range r.Items {
		total += len(item)
	}
	if r.Compress && total >= codec.CompressFrom {
		opts = append(opts, codec.Compress())
	}
	return total, opts
}

// larger adds to a hint which option carries more.
func (p *payloads) larger(hint string) string {
	if p.store != nil || p.option == "" {
		return hint
	}
	return hint + ", or have large payloads stored: " + p.option
}

func encodeRequest(r *codec.Request, opts ...codec.FrameOption) ([]byte, error) {
	payload, err := codec.EncodeRequest(r, opts...)
	if err != nil {
		return nil, &InvokeError{Outcome: OutcomeNotRun, Kind: ErrEncode, Err: err, Permanent: true}
	}
	return payload, nil
}

// fits says whether n results of f are certainly small enough to be returned; then a
// link that nobody needs is not made.
func (p *payloads) fits(f *Function, n int) bool {
	if len(f.results) == 0 {
		return true
	}
	const perItem = 64 // of the envelope
	limit := p.inline(p.reply)
	size, ok := fixedSize(f.results[0].Go())
	return ok && (limit == 0 || n <= limit/2/(size+perItem))
}

// fixedSize returns the bytes that a value of type t takes at most when encoded, if
// there is such a bound.
func fixedSize(t reflect.Type) (int, bool) {
	const header = 9 // the longest of a msgpack value
	if encodesItself(t) {
		return 0, false
	}
	switch t.Kind() {
	case reflect.Bool, reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64,
		reflect.Float32, reflect.Float64:
		return header, true
	case reflect.Complex64, reflect.Complex128:
		return header + 16, true
	case reflect.Array:
		size, ok := fixedSize(t.Elem())
		return header + t.Len()*size, ok
	case reflect.Struct:
		total := header
		for field := range t.Fields() {
			size, ok := fixedSize(field.Type)
			if !ok {
				return 0, false
			}
			total += size
		}
		return total, true
	default:
		return 0, false
	}
}

// encodesItself says whether a method of t may decide what its encoding is. It asks for
// interfaces, not for methods by name: that would have the linker keep every
// method of the program.
func encodesItself(t reflect.Type) bool {
	return slices.ContainsFunc(encoders, reflect.PointerTo(t).Implements)
}

var encoders = []reflect.Type{
	reflect.TypeFor[encoding.BinaryAppender](), reflect.TypeFor[encoding.BinaryMarshaler](),
	reflect.TypeFor[encoding.TextMarshaler](), reflect.TypeFor[interface{ GobEncode() ([]byte, error) }](),
}

// offer adds to r where a large reply goes.
func (p *payloads) offer(ctx context.Context, r *codec.Request, life time.Duration) error {
	key := p.replyKey(r.ID)
	spill := &codec.Spill{Name: strings.TrimPrefix(key, p.run), Above: p.store.Threshold()}
	var err error
	spill.To, err = p.results.link(ctx, life)
	if errors.Is(err, errors.ErrUnsupported) {
		spill.Name = ""
		spill.To, err = p.store.LinkPut(ctx, key, life)
	}
	if err != nil {
		return storeFailure("link for the result", OutcomeNotRun, err)
	}
	p.mark(key, false)
	r.Spill = spill
	return nil
}

func (p *payloads) replyKey(id string) string { return p.run + id + ".reply" }

func (p *payloads) put(ctx context.Context, id string, frame *codec.Frame) (*parcel, error) {
	key := p.run + id + ".request"
	p.mark(key, false)
	if err := p.store.Put(ctx, key, frame.Reader(), frame.Size(), frame.Sum()); err != nil {
		return nil, storeFailure(fmt.Sprintf("store arguments of %d bytes", frame.Size()), OutcomeNotRun, err)
	}
	return &parcel{key: key, stored: *frame.Stored(Link{})}, nil
}

// unpack returns the whole of a reply to the request id. Its second result says that
// the values lie in a buffer of their own. Where it
// fails, the functions ran, but their results are lost.
func (p *payloads) unpack(ctx context.Context, id string, reply *codec.Reply) (*codec.Reply, bool, *InvokeError) {
	key := p.replyKey(id)
	if reply.Stored == nil {
		if !notStored(reply) {
			p.forget(key)
		}
		return reply, false, nil
	}
	if p.store == nil {
		return nil, false, storeFailure("take the result", OutcomeRan, errors.New("the agent stored it, but nobody said where"))
	}
	full, err := p.open(ctx, key, reply.Stored)
	if err != nil {
		return nil, false, storeFailure(fmt.Sprintf("fetch the result of %d bytes", reply.Stored.Size), OutcomeRan, err)
	}
	p.mark(key, true)
	full.ID, full.Agent = reply.ID, reply.Agent
	return full, true, nil
}

// notStored reports that an agent tried to store its reply; who knows what it left.
func notStored(reply *codec.Reply) bool {
	return slices.ContainsFunc(reply.Items, func(item codec.ItemReply) bool {
		return item.Err != nil && item.Err.Kind == codec.KindStore
	})
}

// open reads a stored reply, again where the connection was lost.
func (p *payloads) open(ctx context.Context, key string, s *codec.Stored) (*codec.Reply, error) {
	for try := 1; ; try++ {
		reply, err := p.openOnce(ctx, key, s)
		var wrong *codec.FrameError
		var known *InvokeError
		if err == nil || try == openTries || ctx.Err() != nil || errors.As(err, &wrong) || errors.As(err, &known) {
			return reply, err
		}
	}
}

func (p *payloads) openOnce(ctx context.Context, key string, s *codec.Stored) (*codec.Reply, error) {
	body, size, err := p.store.Open(ctx, key)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	if size != s.Size {
		return nil, &codec.FrameError{
			Reason: fmt.Sprintf("the object has %d bytes, the agent stored %d", size, s.Size), Err: codec.ErrDamaged,
		}
	}
	reply, err := codec.ReadReply(body, s)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = fmt.Errorf("connection lost: %w", err)
	}
	return reply, err
}

// storeFailure is the error of an attempt whose payload did not make it.
func storeFailure(op string, outcome Outcome, err error) *InvokeError {
	e := &InvokeError{}
	var known *InvokeError
	if errors.As(err, &known) {
		*e = *known
		err = known.Err
	}
	e.Outcome, e.Err = outcome, fmt.Errorf("%s: %w", op, err)
	switch {
	case errors.Is(err, context.Canceled):
		e.Kind = ErrCanceled
	case errors.Is(err, context.DeadlineExceeded):
		e.Kind = ErrTimeout
	case e.Kind == nil:
		e.Kind = ErrStore
	}
	if errors.Is(err, codec.ErrDamaged) && e.Hint == "" {
		e.Hint = "something changed the object after it was stored; does anything else write to the bucket?"
	}
	return e
}

// discard deletes what an ended call has stored.
func (p *payloads) discard(slot *atomic.Pointer[parcel]) {
	if kept := slot.Swap(nil); kept != nil {
		p.mark(kept.key, true)
	}
}

// unsent notes that no reply to the request id will come: it was certainly not run.
func (p *payloads) unsent(id string) { p.forget(p.replyKey(id)) }

// forget takes out a key at which nothing is.
func (p *payloads) forget(key string) {
	if p.store == nil {
		return
	}
	p.mu.Lock()
	delete(p.keys, key)
	p.mu.Unlock()
}

// mark notes a key that may exist, and starts to delete it when it is done with.
func (p *payloads) mark(key string, done bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.keys[key] = done
	if done && p.sweep == nil {
		p.sweep = make(chan struct{})
		go p.sweepUp(p.sweep)
	}
}

// sweepUp deletes what is done with until nothing is. What comes meanwhile goes in one
// request; what fails is left to close.
func (p *payloads) sweepUp(ended chan struct{}) {
	defer close(ended)
	ctx, cancel := context.WithTimeout(context.Background(), storeCleanup)
	defer cancel()
	for {
		p.mu.Lock()
		var keys []string
		for key, done := range p.keys {
			if done {
				keys = append(keys, key)
				p.keys[key] = false // once
			}
		}
		if len(keys) == 0 || ctx.Err() != nil {
			p.sweep = nil
			p.mu.Unlock()
			return
		}
		p.mu.Unlock()
		p.delete(ctx, keys)
	}
}

func (p *payloads) delete(ctx context.Context, keys []string) {
	if err := p.store.Delete(ctx, keys...); err != nil {
		p.logger.Debug("lambdapool: delete stored payloads", "objects", len(keys), "error", err)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, key := range keys {
		delete(p.keys, key)
	}
}

// close deletes everything that may be in the store. Nothing is in flight any more. It
// blocks for storeCleanup at most.
func (p *payloads) close() {
	if p.store == nil {
		return
	}
	p.mu.Lock()
	sweep := p.sweep
	p.mu.Unlock()
	if sweep != nil {
		<-sweep
	}
	p.mu.Lock()
	keys := slices.Sorted(maps.Keys(p.keys))
	p.mu.Unlock()
	if len(keys) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), storeCleanup)
	defer cancel()
	p.delete(ctx, keys)
	p.mu.Lock()
	left := len(p.keys)
	p.mu.Unlock()
	if left > 0 {
		p.logger.Warn("lambdapool: stored payloads may remain; a lifecycle rule removes them", "objects", left, "run", p.run)
	}
}
