package funclog_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"math"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"github.com/lambdapool/lambdapool/codec"
	"github.com/lambdapool/lambdapool/internal/funclog"
)

type broken struct{}

func (broken) Error() string { panic("no text") }

type platform string

func (p platform) RequestID() string { return string(p) }

type loop struct{}

func (l loop) LogValue() slog.Value { return slog.GroupValue(slog.Any("l", l)) }

// lines are JSON, decoded.
func lines(t *testing.T, out *bytes.Buffer) (all []map[string]any) {
	t.Helper()
	for line := range strings.Lines(out.String()) {
		var v map[string]any
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			t.Fatalf("%v: %q", err, line)
		}
		all = append(all, v)
	}
	return all
}

func TestLinesAreJSON(t *testing.T) {
	var out bytes.Buffer
	h := funclog.NewHandler(&out, slog.LevelInfo, true)
	inv := &funclog.Invocation{Func: "resize", ID: "abc-1", Platform: platform("r-1"), Logs: &codec.Logs{Run: "nightly", Items: []int{7, 2, 20, 1}, Attempt: 2}}
	ctx := context.WithValue(t.Context(), funclog.Key, inv.Item(2))
	log := slog.New(h).With("file", `a"b\c`+"\n").WithGroup("http")
	log.DebugContext(ctx, "no")
	log.WarnContext(ctx, "<slow> \x1b[2J\u202e\U000e0041\xff", "status", 503, "took", time.Second, "nan", math.NaN(), "f", 1.5, "ok", true,
		"err", errors.New("lost"), "broken", broken{}, "loop", loop{}, slog.Group("in", "x", 1))
	slog.New(h).InfoContext(ctx, "clash", "level", "mine", "lambdapool", 1)
	slog.New(h).Info("nobody's")
	shown := out.String()
	got := lines(t, &out)
	whose := map[string]any{"func": "resize", "run": "nightly", "item": 20.0, "attempt": 2.0, "invocation": "abc-1", "request_id": "r-1"}
	for _, line := range got {
		if _, err := time.Parse(time.RFC3339, line["time"].(string)); err != nil {
			t.Error(err)
		}
		delete(line, "time")
	}
	if text, _ := got[0]["http.broken"].(string); !strings.Contains(text, "PANIC") {
		t.Errorf("a broken error is %q", text)
	}
	delete(got[0], "http.broken")
	want := []map[string]any{
		{
			"level": "WARN", "severity": "WARNING", "message": "<slow> \x1b[2J\u202e\U000e0041\ufffd", "lambdapool": whose, "file": "a\"b\\c\n",
			"http.status": 503.0, "http.took": "1s", "http.nan": "NaN", "http.f": 1.5, "http.ok": true, "http.err": "lost", "http.in.x": 1.0,
		},
		{"level": "INFO", "severity": "INFO", "message": "clash", "lambdapool": whose, "level_": "mine", "lambdapool_": 1.0},
		{"level": "INFO", "severity": "INFO", "message": "nobody's"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for _, r := range shown {
		if r != '\n' && (unicode.IsControl(r) || unicode.Is(unicode.Cf, r)) {
			t.Errorf("%U is shown", r)
		}
	}
}

// Without a context a line is that of what runs, if only one does.
func TestTheOnlyItemThatRuns(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(funclog.NewHandler(&out, slog.LevelInfo, false))
	sole := 1
	logs := &codec.Logs{Items: []int{4, 2}, Lines: 5, Bytes: 1000}
	inv := &funclog.Invocation{Func: "f", ID: "i-1", Logs: logs, Sole: func() int { return sole }}
	end := inv.Begin()
	log.Info("one")
	sole = -1
	log.Info("several")
	other := &funclog.Invocation{Func: "g", ID: "i-2", Sole: func() int { return 0 }}
	endOther := other.Begin()
	log.Info("many")
	end()
	log.Info("other")
	endOther()
	log.Info("none")
	var whose []any
	for _, line := range lines(t, &out) {
		whose = append(whose, line["lambdapool"])
	}
	if diff := cmp.Diff([]any{
		map[string]any{"func": "f", "item": 5.0, "attempt": 1.0, "invocation": "i-1"},
		map[string]any{"func": "f", "attempt": 1.0, "invocation": "i-1"},
		nil,
		map[string]any{"func": "g", "attempt": 1.0, "invocation": "i-2"},
		nil,
	}, whose); diff != "" {
		t.Error(diff)
	}
	if got := funclog.Lines(inv.Kept(1)); len(got) != 1 || !strings.HasSuffix(got[0], " INFO one") {
		t.Errorf("%q travels back", got)
	}
}

func TestKeptLinesAreBounded(t *testing.T) {
	inv := &funclog.Invocation{Func: "f", Logs: &codec.Logs{Level: int(slog.LevelWarn), Lines: 3, Bytes: 300}}
	log := slog.New(funclog.NewHandler(new(bytes.Buffer), slog.LevelInfo, false))
	ctx := context.WithValue(t.Context(), funclog.Key, inv)
	if inv.Kept(0) != nil {
		t.Error("something is kept of nothing")
	}
	log.InfoContext(ctx, "too fine")
	for _, text := range []string{"a", "b", "c", "d"} {
		log.WarnContext(ctx, text)
	}
	if got := funclog.Tail(inv.Kept(0)); strings.Count(got, "\n") != 3 || !strings.HasPrefix(got, "(1 line before had no room)\n") || !strings.HasSuffix(got, "WARN d") {
		t.Errorf("%q", got)
	}
	log.WarnContext(ctx, strings.Repeat("x", 1000), "k", strings.Repeat("y", 1000))
	if got := funclog.Lines(inv.Kept(0)); len(got) != 2 || len(got[1]) > 300 || !strings.Contains(got[1], "bytes more") {
		t.Errorf("%q", got)
	}
}

func TestFit(t *testing.T) {
	logs := func(n int) *codec.LogLines {
		return &codec.LogLines{Lines: make([]codec.LogLine, n), Dropped: 1}
	}
	failed := &codec.Error{Kind: codec.KindFunction}
	for _, test := range []struct {
		room int
		want []int // lines of each item; -1: nothing
	}{
		{10_000, []int{10, 10, 10}},
		{3*12 + 15*24, []int{5, 10, 0}}, // 12 bytes for a count, 24 for a line
		{12 + 4*24, []int{-1, 4, -1}},
		{5, []int{-1, -1, -1}},
	} {
		items := []codec.ItemReply{{Logs: logs(10)}, {Logs: logs(10), Err: failed}, {Logs: logs(10)}, {}}
		funclog.Fit(items, test.room)
		var got []int
		for _, it := range items[:3] {
			n := -1
			if it.Logs != nil {
				if n = len(it.Logs.Lines); n+it.Logs.Dropped != 11 {
					t.Errorf("room %d: %d lines and %d dropped", test.room, n, it.Logs.Dropped)
				}
			}
			got = append(got, n)
		}
		if !cmp.Equal(got, test.want) {
			t.Errorf("room %d: %v lines, want %v", test.room, got, test.want)
		}
	}
}

func TestPlaces(t *testing.T) {
	for _, test := range []struct{ at, want []int }{
		{nil, nil},
		{[]int{5}, []int{5, 1}},
		{[]int{5, 6, 7}, []int{5, 3}},
		{[]int{5, 6, 9, 3}, []int{5, 2, 9, 1, 3, 1}},
	} {
		places := funclog.Places(len(test.at), func(i int) int { return test.at[i] })
		if !cmp.Equal(places, test.want) {
			t.Errorf("%v: %v", test.at, places)
		}
		for i, want := range test.at {
			if got := funclog.Place(places, i); got != want {
				t.Errorf("%v: the place of %d is %d", test.at, i, got)
			}
		}
		if got := funclog.Place(places, len(test.at)); got != -1 {
			t.Errorf("%v: the place of what is not there is %d", test.at, got)
		}
	}
}
