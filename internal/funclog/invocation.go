package funclog

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/lambdapool/lambdapool/codec"
)

// An Invocation is one request in an agent. Its fields are set before it is used, and never after.
type Invocation struct {
	Func     string
	ID       string
	Platform Platform    // what it says of the request; nil: nothing
	Logs     *codec.Logs // what the request says; nil: nothing
	Sole     func() int  // the only item that runs, or -1

	logged atomic.Bool // items may have something

	mu    sync.Mutex
	items map[int]*Item // those that have asked for it
}

// An Item is one call of an Invocation. What it has logged is kept for the reply as far as the request
// wants it: the newest lines.
type Item struct {
	inv *Invocation
	n   int // in the request

	mu      sync.Mutex
	lines   []codec.LogLine
	bytes   int
	dropped int
}

// Key is under which contexts of functions have their *[Item]. Where the request has one item only, it may be its *[Invocation].
var Key any = key{}

type key struct{}

// A Platform runs the agent. Most functions log nothing, so it is asked late.
type Platform interface {
	// RequestID returns its name of the request, or an empty string.
	RequestID() string
}

func (inv *Invocation) requestID() string {
	if inv.Platform == nil {
		return ""
	}
	return inv.Platform.RequestID()
}

// Item returns the request's n'th item, from 0.
func (inv *Invocation) Item(n int) *Item {
	inv.mu.Lock()
	defer inv.mu.Unlock()
	item := inv.items[n]
	if item == nil {
		if inv.items == nil {
			inv.items = make(map[int]*Item)
		}
		item = &Item{inv: inv, n: n}
		inv.items[n] = item
		inv.logged.Store(true)
	}
	return item
}

// Kept returns what travels back of the n'th item's log, nil for nothing. What it logs later is dropped.
func (inv *Invocation) Kept(n int) *codec.LogLines {
	if !inv.logged.Load() {
		return nil
	}
	inv.mu.Lock()
	item := inv.items[n]
	inv.mu.Unlock()
	if item == nil {
		return nil
	}
	item.mu.Lock()
	defer item.mu.Unlock()
	if len(item.lines) == 0 && item.dropped == 0 {
		return nil
	}
	return &codec.LogLines{Lines: slices.Clip(item.lines), Dropped: item.dropped}
}

// wants reports whether lines of a level travel back.
func (item *Item) wants(level slog.Level) bool {
	return item != nil && item.inv.Logs != nil && item.inv.Logs.Lines > 0 && level >= slog.Level(item.inv.Logs.Level)
}

// keep takes a line, for which older ones make room.
func (item *Item) keep(line codec.LogLine) {
	limit := item.inv.Logs
	shorten(&line, limit.Bytes)
	item.mu.Lock()
	defer item.mu.Unlock()
	item.lines = append(item.lines, line)
	item.bytes += size(&line)
	for len(item.lines) > limit.Lines || item.bytes > limit.Bytes && len(item.lines) > 1 {
		item.bytes -= size(&item.lines[0])
		item.lines = item.lines[1:]
		item.dropped++
	}
}

// lineRoom is what a line takes beside its texts, generously, in bytes.
const lineRoom = 24

// size is what a line takes in a reply.
func size(line *codec.LogLine) int {
	n := lineRoom + len(line.Text)
	for _, text := range line.Attrs {
		n += len(text) + 5
	}
	return n
}

// shorten cuts a line that would not fit alone: first its attributes go, then the end of its text.
func shorten(line *codec.LogLine, limit int) {
	if size(line) > limit {
		line.Attrs = nil
	}
	if size(line) > limit {
		line.Text = clip(line.Text, max(0, limit-2*lineRoom))
	}
}

// From returns the item whose function has ctx, or nil.
func From(ctx context.Context) *Item {
	switch of := ctx.Value(Key).(type) {
	case *Item:
		return of
	case *Invocation:
		return of.Item(0)
	}
	return nil
}

// The invocations that run in this process now.
var (
	runningMu sync.Mutex
	running   = map[*Invocation]struct{}{}
)

// Begin notes that inv runs, until end is called: lines without a context are its own if no other does.
func (inv *Invocation) Begin() (end func()) {
	runningMu.Lock()
	defer runningMu.Unlock()
	running[inv] = struct{}{}
	return func() {
		runningMu.Lock()
		defer runningMu.Unlock()
		delete(running, inv)
	}
}

// sole returns the only invocation that runs, and its only item, each nil where there are several.
func sole() (inv *Invocation, item *Item) {
	runningMu.Lock()
	if len(running) == 1 {
		for only := range running {
			inv = only
		}
	}
	runningMu.Unlock()
	if inv != nil && inv.Sole != nil {
		if n := inv.Sole(); n >= 0 {
			item = inv.Item(n)
		}
	}
	return inv, item
}

// index is the item's place in the run's input, -1 where there is none.
func (item *Item) index() int {
	if item.inv.Logs == nil {
		return -1
	}
	return Place(item.inv.Logs.Items, item.n)
}
