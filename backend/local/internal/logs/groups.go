package logs

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/lambdapool/lambdapool/backend/local/internal/wire"
)

const (
	// maxLogBytes is what a log group keeps; the oldest events give way.
	maxLogBytes = 8 << 20
	// maxLogEvent is where an event is cut:
	// https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/cloudwatch_limits_cwl.html (2026-11)
	maxLogEvent = 1 << 20
	// eventOverhead is what an event takes beside its message.
	eventOverhead = 128
)

// Groups is what the agents of a region have written, as CloudWatch Logs has it. It is safe
// for concurrent use.
type Groups struct {
	region string

	mu     sync.Mutex
	groups map[string]*logGroup
}

type logGroup struct {
	name      string
	created   time.Time
	retention int // days, 0: for ever
	tags      map[string]string
	events    []logEvent // in the order they came
	bytes     int
	next      int // number of the next event
	streams   map[string]*logStream
}

type logStream struct {
	name        string
	created     time.Time
	first, last int64 // ms since 1970
	count       int   // of events
}

type logEvent struct {
	number  int
	stream  string
	at      int64 // ms since 1970
	message string
}

// NewGroups makes those of a region, where nothing was written yet.
func NewGroups(region string) *Groups {
	return &Groups{region: region, groups: map[string]*logGroup{}}
}

func (l *Groups) arn(group string) string {
	return "arn:aws:logs:" + l.region + ":" + wire.Account + ":log-group:" + group
}

// add makes a group. The lock is held.
func (l *Groups) add(name string) *logGroup {
	g := &logGroup{name: name, created: time.Now(), tags: map[string]string{}, streams: map[string]*logStream{}}
	l.groups[name] = g
	return g
}

// Put appends a line to a stream; group and stream are made as needed, as
// Lambda does for a function whose role may.
func (l *Groups) Put(group, stream string, line []byte) {
	if len(line) > maxLogEvent {
		line = line[:maxLogEvent]
	}
	message := strings.ToValidUTF8(string(line), "\uFFFD")
	l.mu.Lock()
	defer l.mu.Unlock()
	g := l.groups[group]
	if g == nil {
		g = l.add(group)
	}
	now := time.Now()
	s := g.streams[stream]
	if s == nil {
		s = &logStream{name: stream, created: now, first: now.UnixMilli()}
		g.streams[stream] = s
	}
	s.last = now.UnixMilli()
	s.count++
	g.events = append(g.events, logEvent{number: g.next, stream: stream, at: now.UnixMilli(), message: message})
	g.next++
	g.bytes += len(message) + eventOverhead
	g.forget(now)
}

// forget drops what is more than the group may keep, and streams that are
// empty by that.
func (g *logGroup) forget(now time.Time) {
	drop := 0
	for g.bytes > maxLogBytes || drop < len(g.events) && g.expired(g.events[drop], now) {
		e := g.events[drop]
		g.bytes -= len(e.message) + eventOverhead
		if s := g.streams[e.stream]; s != nil {
			if s.count--; s.count == 0 {
				delete(g.streams, e.stream)
			}
		}
		drop++
	}
	if drop > 0 {
		clear(g.events[:drop]) // so that their messages can be freed
		g.events = g.events[drop:]
	}
}

func (g *logGroup) expired(e logEvent, now time.Time) bool {
	return g.retention > 0 && now.UnixMilli()-e.at > int64(g.retention)*24*time.Hour.Milliseconds()
}

func (g *logGroup) orderedStreams(byTime bool) []*logStream {
	return slices.SortedFunc(maps.Values(g.streams), func(a, b *logStream) int {
		if byTime {
			return cmp.Or(cmp.Compare(a.last, b.last), strings.Compare(a.name, b.name))
		}
		return strings.Compare(a.name, b.name)
	})
}

// A logFilter says which events are wanted.
type logFilter struct {
	from, to int64 // ms; to 0: no end
	streams  []string
	prefix   string
	pattern  pattern
	after    int  // number of the first event
	before   *int // if any, number of the event after the last
}

func (f *logFilter) admits(e *logEvent) bool {
	return e.number >= f.after && (f.before == nil || e.number < *f.before) && e.at >= f.from && (f.to == 0 || e.at <= f.to) &&
		(len(f.streams) == 0 || slices.Contains(f.streams, e.stream)) &&
		strings.HasPrefix(e.stream, f.prefix) && f.pattern.match(e.message)
}

// find returns at most limit events and, if there are more, where they go on.
func (g *logGroup) find(f logFilter, limit int) (found []logEvent, next int) {
	for i := range g.events {
		e := &g.events[i]
		if !f.admits(e) {
			continue
		}
		if len(found) == limit {
			return found, e.number
		}
		found = append(found, *e)
	}
	return found, -1
}

// findLast returns the last of them, at most limit, oldest first.
func (g *logGroup) findLast(f logFilter, limit int) (found []logEvent) {
	for i := len(g.events) - 1; i >= 0 && len(found) < limit; i-- {
		if f.admits(&g.events[i]) {
			found = append(found, g.events[i])
		}
	}
	slices.Reverse(found)
	return found
}

// A pattern is an unstructured filter pattern:
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html
type pattern struct {
	all, any, none []string
}

// parsePattern reads terms, "phrases", -excluded and ?optional ones. It says
// no to JSON and space-delimited patterns and to expressions.
func parsePattern(s string) (p pattern, ok bool) {
	s = strings.TrimSpace(s)
	if strings.HasPrefix(s, "{") || strings.HasPrefix(s, "[") || strings.HasPrefix(s, "%") {
		return p, false
	}
	for s != "" {
		list := &p.all
		switch s[0] {
		case '?':
			list, s = &p.any, s[1:]
		case '-':
			list, s = &p.none, s[1:]
		}
		var term string
		if strings.HasPrefix(s, `"`) {
			quoted, err := strconv.QuotedPrefix(s)
			if err != nil {
				return p, false
			}
			if term, err = strconv.Unquote(quoted); err != nil {
				return p, false
			}
			s = s[len(quoted):]
		} else {
			term, s, _ = strings.Cut(s, " ")
		}
		if term == "" {
			return p, false
		}
		*list = append(*list, term)
		s = strings.TrimSpace(s)
	}
	return p, true
}

func (p *pattern) match(message string) bool {
	in := func(term string) bool { return strings.Contains(message, term) }
	notIn := func(term string) bool { return !in(term) }
	return !slices.ContainsFunc(p.all, notIn) && !slices.ContainsFunc(p.none, in) &&
		(len(p.any) == 0 || slices.ContainsFunc(p.any, in))
}
