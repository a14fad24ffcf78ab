package engine

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/lambdapool/lambdapool/codec"
	"github.com/lambdapool/lambdapool/internal/funclog"
	"github.com/lambdapool/lambdapool/internal/legible"
	"github.com/lambdapool/lambdapool/internal/registry"
)

// Logs are the bounds of what travels back of an item's log. Its zero value is nothing.
type Logs struct {
	Level slog.Level
	Lines int
	Bytes int
}

// LogsOf returns l with what it leaves out. The error says what is out of range.
func LogsOf(l Logs) (Logs, error) {
	const maxLines, maxBytes, leastBytes = 1000, 64 << 10, 256
	l.Lines, l.Bytes = cmp.Or(l.Lines, 20), cmp.Or(l.Bytes, 4<<10)
	switch {
	case l.Lines < 0 || l.Lines > maxLines:
		return l, fmt.Errorf("WithLogs: Lines is %d, must be from 1 to %d", l.Lines, maxLines)
	case l.Bytes < leastBytes || l.Bytes > maxBytes:
		return l, fmt.Errorf("WithLogs: Bytes is %d, must be from %d to %d", l.Bytes, leastBytes, maxBytes)
	}
	return l, nil
}

// WireLogs is what a request says of logs. l is zero where what holds for all calls does.
func (e *Executor) WireLogs(l Logs, run string, places []int, attempt int) *codec.Logs {
	if l.Lines == 0 {
		l = e.logs
	}
	return &codec.Logs{Run: run, Items: places, Attempt: attempt, Level: int(l.Level), Lines: l.Lines, Bytes: l.Bytes}
}

// logsOf is what the request of a call says of logs. A single call that is sent the first time has nothing to
// say, unless lines are wanted. c.mu is held.
func (e *Executor) logsOf(c *Call) *codec.Logs {
	attempt := int(c.tries) + 1
	if c.chunk == nil {
		if attempt == 1 && e.logs.Lines == 0 {
			return nil
		}
		return e.WireLogs(e.logs, "", nil, attempt)
	}
	items := c.chunk.items
	if len(items) == 1 { // sent again by itself
		attempt = max(attempt, items[0].runs+1)
	}
	return e.WireLogs(c.chunk.lane.Logs, "", funclog.Places(len(items), func(i int) int { return items[i].Index }), attempt)
}

// heard gives what came back of items' logs to the program's logger.
func (e *Executor) heard(inv *invocation, items []codec.ItemReply) {
	for i := range items {
		if items[i].Logs == nil {
			continue
		}
		c, item := inv.call, -1
		if c.chunk != nil {
			item = c.chunk.items[i].Index
		}
		c.mu.Lock()
		attempt := int(c.tries) + 1
		c.mu.Unlock()
		e.Heard(c.fn, "", item, attempt, items[i].Logs)
	}
}

// Heard gives lines that a function has logged to the program's logger, each with its level and its time.
// item is -1 for a call of no run. attempt is 0 where it is not known.
func (e *Executor) Heard(fn *registry.Function, run string, item, attempt int, logs *codec.LogLines) {
	whose := []slog.Attr{slog.String("func", fn.Name())}
	if run != "" {
		whose = append(whose, slog.String("run", run))
	}
	if item >= 0 {
		whose = append(whose, slog.Int("item", item))
	}
	if attempt > 0 {
		whose = append(whose, slog.Int("attempt", attempt))
	}
	to := e.on.Logger.Handler()
	tell := func(at time.Time, level slog.Level, text string, attrs ...slog.Attr) {
		if to.Enabled(context.Background(), level) {
			r := slog.NewRecord(at, level, text, 0)
			r.AddAttrs(whose...)
			r.AddAttrs(attrs...)
			_ = to.Handle(context.Background(), r) // it logs, and has nowhere to complain
		}
	}
	if logs.Dropped > 0 {
		tell(time.Now(), slog.LevelInfo, "lambdapool: log lines of a function had no room", slog.Int("dropped", logs.Dropped))
	}
	for _, line := range logs.Lines {
		var attrs []slog.Attr
		for n := 0; n+1 < len(line.Attrs); n += 2 {
			attrs = append(attrs, slog.String(legible.Line(line.Attrs[n]), legible.Line(line.Attrs[n+1])))
		}
		tell(time.UnixMilli(line.At), slog.Level(line.Level), legible.Line(line.Text), attrs...)
	}
}
