package lambdapool_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/inproc"
)

// talk logs two lines and then does what its argument says.
var talk = lambdapool.Register("test.talk", func(ctx context.Context, how string) (string, error) {
	log := lambdapool.Logger(ctx).With("how", how)
	log.DebugContext(ctx, "too fine")
	log.InfoContext(ctx, "first", "n", 1)
	log.WithGroup("disk").WarnContext(ctx, "second \x1b[2J", "free", 2*time.Second)
	switch how {
	case "fails":
		return "", errNegative
	case "panics":
		panic("no")
	case "late":
		<-ctx.Done()
		return "", ctx.Err()
	case "many":
		for i := range 100 {
			log.InfoContext(ctx, fmt.Sprint("line ", i))
		}
		return "", errNegative
	}
	return how, nil
})

// printed is a logger's output, safe for concurrent use.
type printed struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (h *printed) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.b.Write(p)
}

// lines are those that have all of the words.
func (h *printed) lines(words ...string) (lines []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for line := range strings.Lines(h.b.String()) {
		has := true
		for _, word := range words {
			has = has && strings.Contains(line, word)
		}
		if has {
			lines = append(lines, line)
		}
	}
	return lines
}

// silence keeps what functions log out of the tests' output: on inproc it goes to slog.Default.
func silence(t *testing.T) *printed {
	t.Helper()
	h := new(printed)
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(h, nil)))
	t.Cleanup(func() { slog.SetDefault(before) })
	return h
}

func TestLogsTravelBack(t *testing.T) {
	process, client := silence(t), new(printed)
	e := pool(t, lambdapool.WithLogger(slog.New(slog.NewTextHandler(client, &slog.HandlerOptions{Level: slog.LevelDebug}))))
	hows := []string{"works", "fails", "panics", "late", "many"}
	results := make(map[string]error)
	_, err := lambdapool.Map(t.Context(), e, talk, hows, lambdapool.ChunkSize(len(hows)), lambdapool.Parallel(len(hows)), lambdapool.ContinueOnError(),
		lambdapool.WithAttemptTimeout(300*time.Millisecond), lambdapool.WithLogs(lambdapool.Logs{Lines: 10}))
	for item := range lambdapool.ItemErrors(err) {
		results[hows[item.Index]] = item
	}
	for how, want := range map[string][]string{
		"fails":  {"INFO first how=fails n=1", `WARN second \x1b[2J how=fails disk.free=2s`},
		"panics": {"INFO first how=panics n=1"},
		"late":   {"INFO first how=late n=1"},
		"many":   {"(92 lines before had no room)", "INFO line 90 how=many", "INFO line 99 how=many"},
	} {
		text := fmt.Sprintf("%+v", results[how])
		for _, line := range append(want, "the end of its log:") {
			if !strings.Contains(text, line) {
				t.Errorf("%s: %q is not in\n%s", how, line, text)
			}
		}
		if strings.Contains(text, "too fine") || strings.Contains(text, "line 89") || strings.ContainsRune(text, '\x1b') {
			t.Errorf("%s: too much in\n%s", how, text)
		}
	}
	for i, how := range hows[:4] {
		got := client.lines("msg=first", "func=test.talk", "how="+how, fmt.Sprintf("item=%d ", i), "attempt=1", "level=INFO")
		if len(got) != 1 {
			t.Errorf("the client's logger has %q of %s", got, how)
		}
		if got := process.lines("msg=first", "lambdapool.func=test.talk", fmt.Sprintf("lambdapool.item=%d ", i), "how="+how); len(got) != 1 {
			t.Errorf("the process's logger has %q of %s", got, how)
		}
	}
	if got := client.lines("dropped=92", "item=4"); len(got) != 1 {
		t.Errorf("the client's logger says %q of what was dropped", got)
	}
	if got := process.lines("line 0"); len(got) != 1 {
		t.Errorf("the process's logger has %q", got)
	}
}

// Nobody asks: nothing travels, and each line goes to slog.Default alone.
func TestLogsStayWhereNobodyAsks(t *testing.T) {
	process, client := silence(t), new(printed)
	e := pool(t, lambdapool.WithLogger(slog.New(slog.NewTextHandler(client, nil))))
	_, err := lambdapool.Call(t.Context(), e, talk, "fails")
	var said *lambdapool.FunctionError
	if !errors.As(err, &said) || said.LogTail != "" {
		t.Errorf("%+v", err)
	}
	if got := client.lines(); len(got) != 0 {
		t.Errorf("the client hears %q", got)
	}
	if got := process.lines("msg=first", "lambdapool.attempt=1"); len(got) != 1 {
		t.Errorf("the process hears %q", got)
	}
}

// Single calls have no item; a second attempt says so.
func TestLogsOfACall(t *testing.T) {
	silence(t)
	client := new(printed)
	e := pool(t, lambdapool.WithLogger(slog.New(slog.NewTextHandler(client, nil))), lambdapool.WithLogs(lambdapool.Logs{Level: slog.LevelWarn}),
		lambdapool.WithRetry(lambdapool.RetryPolicy{MaxAttempts: 2, BaseDelay: time.Millisecond, RetryFunctionError: func(*lambdapool.FunctionError) bool { return true }}))
	_, err := lambdapool.Call(t.Context(), e, talk, "fails")
	var said *lambdapool.FunctionError
	if !errors.As(err, &said) || !strings.Contains(said.LogTail, "second") || strings.Contains(said.LogTail, "first") {
		t.Errorf("%+v", err)
	}
	for _, attempt := range []string{"attempt=1", "attempt=2"} {
		if got := client.lines("second", attempt, "disk.free=2s"); len(got) != 1 || strings.Contains(got[0], "item=") {
			t.Errorf("of %s the client hears %q", attempt, got)
		}
	}
}

func TestWithLogsRefuses(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		logs lambdapool.Logs
		want string
	}{
		{lambdapool.Logs{Lines: -1}, "Lines is -1"},
		{lambdapool.Logs{Lines: 1001}, "Lines is 1001"},
		{lambdapool.Logs{Bytes: 100}, "Bytes is 100"},
		{lambdapool.Logs{Bytes: 1 << 20}, "Bytes is 1048576"},
	} {
		_, err := lambdapool.New(inproc.New(), lambdapool.WithLogs(test.logs))
		wantErr(t, err, lambdapool.ErrBadArguments)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%+v: %v", test.logs, err)
		}
		if _, err := lambdapool.Map(t.Context(), pool(t), echo, nil, lambdapool.WithLogs(test.logs)); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%+v: %v", test.logs, err)
		}
	}
}
