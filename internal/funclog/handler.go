package funclog

import (
	"context"
	"fmt"
	"io"
	"log"
	"log/slog"
	"slices"
	"time"

	"github.com/lambdapool/lambdapool/codec"
)

// A Handler adds to each line whose it is, and keeps what is to travel back. It writes JSON lines, or
// gives them to another handler.
type Handler struct {
	out   *output
	next  slog.Handler // nil: out
	item  *Item        // nil: that of a line's context, or the only one that runs
	attrs []field
	group string // what the names of attributes begin with
}

// An output is where lines of JSON go.
type output struct {
	w        io.Writer // each Write is a line
	level    slog.Level
	severity bool // as Google Cloud has it, beside slog's level
}

// A field is an attribute, by the name that it has in the line.
type field struct {
	name  string
	value slog.Value
}

// NewHandler returns one that writes JSON lines of level and above to w. severity adds Google Cloud's name
// of the level.
func NewHandler(w io.Writer, level slog.Level, severity bool) *Handler {
	return &Handler{out: &output{w, level, severity}}
}

// Install makes h slog.Default, unless the program has set one of its own. Package log stays as it is.
func (h *Handler) Install() {
	if fmt.Sprintf("%T", slog.Default().Handler()) != "*slog.defaultHandler" {
		return
	}
	w, flags := log.Writer(), log.Flags()
	slog.SetDefault(slog.New(h))
	log.SetOutput(w) // which SetDefault has changed
	log.SetFlags(flags)
}

// Logger returns the logger of the function that has ctx, slog.Default for any other context. Lines
// go where those of slog.Default do.
func Logger(ctx context.Context) *slog.Logger {
	item := From(ctx)
	if item == nil {
		return slog.Default()
	}
	next := slog.Default().Handler()
	if h, ok := next.(*Handler); ok {
		own := *h
		own.item = item
		return slog.New(&own)
	}
	return slog.New(&Handler{item: item, next: next.WithAttrs([]slog.Attr{slog.Attr{Key: own, Value: slog.GroupValue(item.identity()...)}})})
}

// Enabled implements slog.Handler.
func (h *Handler) Enabled(ctx context.Context, level slog.Level) bool {
	if h.next == nil && level >= h.out.level || h.next != nil && h.next.Enabled(ctx, level) {
		return true
	}
	_, item := h.whose(ctx)
	return item.wants(level)
}

// Handle implements slog.Handler.
func (h *Handler) Handle(ctx context.Context, r slog.Record) error {
	inv, item := h.whose(ctx)
	write := h.next == nil && r.Level >= h.out.level
	if keep := item.wants(r.Level); keep || write {
		fields := slices.Clip(h.attrs)
		r.Attrs(func(a slog.Attr) bool {
			fields = flatten(fields, h.group, a)
			return true
		})
		if keep {
			item.keep(lineOf(&r, fields))
		}
		if write {
			return h.out.write(&r, inv, item, fields)
		}
	}
	if h.next != nil && h.next.Enabled(ctx, r.Level) {
		return h.next.Handle(ctx, r)
	}
	return nil
}

// whose returns whose a line is, nil where nobody can say.
func (h *Handler) whose(ctx context.Context) (*Invocation, *Item) {
	item := h.item
	if item == nil {
		item = From(ctx)
	}
	if item == nil {
		return sole()
	}
	return item.inv, item
}

// WithAttrs implements slog.Handler.
func (h *Handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	derived := *h
	derived.attrs = slices.Clip(h.attrs)
	for _, a := range attrs {
		derived.attrs = flatten(derived.attrs, h.group, a)
	}
	if h.next != nil {
		derived.next = h.next.WithAttrs(attrs)
	}
	return &derived
}

// WithGroup implements slog.Handler.
func (h *Handler) WithGroup(name string) slog.Handler {
	derived := *h
	if name != "" {
		derived.group += name + "."
	}
	if h.next != nil {
		derived.next = h.next.WithGroup(name)
	}
	return &derived
}

// deepest bounds groups in groups: a LogValue can return a group with itself.
const deepest = 16

// flatten adds an attribute, and each of a group by its own name.
func flatten(fields []field, prefix string, a slog.Attr) []field {
	return flattenTo(fields, prefix, a, 0)
}

func flattenTo(fields []field, prefix string, a slog.Attr, depth int) []field {
	value := a.Value.Resolve()
	switch {
	case value.Kind() == slog.KindGroup:
		if depth == deepest {
			return fields
		}
		if a.Key != "" {
			prefix += a.Key + "."
		}
		for _, inner := range value.Group() {
			fields = flattenTo(fields, prefix, inner, depth+1)
		}
		return fields
	case a.Equal(slog.Attr{}):
		return fields
	}
	return append(fields, field{prefix + a.Key, value})
}

// maxAttr bounds the text of an attribute, and maxMessage that of a line, in bytes.
const (
	maxAttr    = 8 << 10
	maxMessage = 64 << 10
)

// text is a value as text. Whatever the value's methods do, fmt contains.
func text(v slog.Value) string {
	switch v.Kind() {
	case slog.KindTime:
		return v.Time().Format(time.RFC3339Nano)
	case slog.KindAny:
		return clip(fmt.Sprintf("%+v", v.Any()), maxAttr)
	}
	return clip(v.String(), maxAttr)
}

// lineOf is what travels of a line.
func lineOf(r *slog.Record, fields []field) codec.LogLine {
	line := codec.LogLine{At: r.Time.UnixMilli(), Level: int(r.Level), Text: clip(r.Message, maxMessage)}
	for _, f := range fields {
		line.Attrs = append(line.Attrs, f.name, text(f.value))
	}
	return line
}

// identity is whose the lines of an item are.
func (item *Item) identity() []slog.Attr { return item.inv.identity(item) }

func (inv *Invocation) identity(item *Item) []slog.Attr {
	attrs := []slog.Attr{slog.String("func", inv.Func)}
	if l := inv.Logs; l != nil && l.Run != "" {
		attrs = append(attrs, slog.String("run", l.Run))
	}
	if item != nil && item.index() >= 0 {
		attrs = append(attrs, slog.Int("item", item.index()))
	}
	attempt := 1
	if inv.Logs != nil {
		attempt = max(inv.Logs.Attempt, 1)
	}
	attrs = append(attrs, slog.Int("attempt", attempt), slog.String("invocation", inv.ID))
	if id := inv.requestID(); id != "" {
		attrs = append(attrs, slog.String("request_id", id))
	}
	return attrs
}
