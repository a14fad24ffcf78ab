package grouping

import (
	"cmp"
	"slices"
	"strings"

	"github.com/lambdapool/lambdapool/internal/legible"
)

// What is kept, whatever fails.
const (
	maxGroups  = 100
	maxExample = 2 << 10 // bytes of a text
	maxLogs    = 10      // lines of an example
)

// A Failure is what is to be counted: items of one attempt that failed with the same text.
type Failure struct {
	Func      string
	Text      string   // of the error
	Items     int      // how many; 0 counts as 1
	Run       string   // the run's name, where there is one
	Item      int      // index of the first of them in the input, from 1; 0: not known
	Attempt   int      // of the call, from 1; 0: not known
	RequestID string   // the platform's
	Logs      []string // what the function has logged, oldest line first
}

// A Group is what has failed in the same way. Its example is the first failure of it that has log
// lines, or else the first that has a request id, or else the first.
type Group struct {
	Func     string
	Key      string // what the texts have in common
	Items    int64  // that failed so; one that was tried twice and failed twice counts twice
	Attempts int64  // invocations in which they did
	Example  Failure
}

// Groups counts failures. The zero value is empty. It keeps a hundred groups at most, and counts
// what belongs to none of them. It is not safe for concurrent use.
type Groups struct {
	byKey map[groupKey]*Group
	order []*Group // as they came
	rest  Group
}

type groupKey struct{ function, key string }

// Add counts f. Nothing of f is kept alive but copies of what is shown.
func (g *Groups) Add(f Failure) {
	f.Items = max(f.Items, 1)
	group := g.group(f.Func, Key(f.Text))
	if group == nil {
		group = &g.rest
	}
	group.Items += int64(f.Items)
	group.Attempts++
	if group != &g.rest && (group.Attempts == 1 || worth(f) > worth(group.Example)) {
		group.Example = bounded(f)
	}
}

// Rest is what belongs to none of the groups: only its counts are set.
func (g *Groups) Rest() Group { return g.rest }

// List returns copies of the groups, those of the most items first, and of equals the first that came.
func (g *Groups) List() []Group {
	list := make([]Group, len(g.order))
	for i, group := range g.order {
		list[i] = *group
	}
	slices.SortStableFunc(list, func(a, b Group) int { return cmp.Compare(b.Items, a.Items) })
	return list
}

// group finds or makes the group of a key, nil where there is no room.
func (g *Groups) group(function, key string) *Group {
	k := groupKey{function, key}
	if group := g.byKey[k]; group != nil {
		return group
	}
	if len(g.order) == maxGroups {
		return nil
	}
	if g.byKey == nil {
		g.byKey = make(map[groupKey]*Group)
	}
	k.function = strings.Clone(function)
	group := &Group{Func: k.function, Key: key}
	g.byKey[k] = group
	g.order = append(g.order, group)
	return group
}

// worth says how much an example tells.
func worth(f Failure) int {
	switch {
	case len(f.Logs) > 0:
		return 2
	case f.RequestID != "":
		return 1
	}
	return 0
}

// bounded copies what is kept of an example, made legible.
func bounded(f Failure) Failure {
	f.Func, f.Run, f.RequestID = strings.Clone(f.Func), strings.Clone(f.Run), clipped(f.RequestID)
	f.Text = clipped(f.Text)
	logs := f.Logs[max(len(f.Logs)-maxLogs, 0):]
	f.Logs = nil
	for _, line := range logs {
		f.Logs = append(f.Logs, clipped(line))
	}
	return f
}

// clipped returns the beginning of a text, on one line.
func clipped(text string) string {
	if len(text) > maxExample {
		text = strings.ToValidUTF8(text[:maxExample], "") + Gap
	}
	return strings.Clone(legible.Line(text))
}
