package local_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/local"
)

var talkative = lambdapool.Register("local_test.talkative", func(ctx context.Context, n int) (int, error) {
	slog.InfoContext(ctx, "by context", "n", n)
	slog.Info("by itself", "n", n) // the only item that runs
	lambdapool.Logger(ctx).With("n", n).WarnContext(ctx, "by its logger\x1b[2J")
	log.Print("plain")
	if n == 3 {
		return 0, errors.New("three")
	}
	return n, nil
})

// outputs collects what agents print.
type outputs struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *outputs) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

// In an agent each line is JSON that says whose it is, whichever logger the function uses, and package log stays as
// it was.
func TestFunctionsLogJSON(t *testing.T) {
	var out outputs
	var client bytes.Buffer
	b, err := local.New(local.WithConcurrency(1), local.WithLogOutput(&out))
	if err != nil {
		t.Fatal(err)
	}
	e, err := lambdapool.New(b, lambdapool.WithLogger(slog.New(slog.NewTextHandler(&client, nil))))
	if err != nil {
		t.Fatal(err)
	}
	_, err = lambdapool.Map(t.Context(), e, talkative, []int{0, 1, 2, 3}, lambdapool.ChunkSize(4), lambdapool.Parallel(1),
		lambdapool.ContinueOnError(), lambdapool.WithLogs(lambdapool.Logs{}))
	var said *lambdapool.FunctionError
	if !errors.As(err, &said) || strings.Count(said.LogTail, "\n") != 2 || !strings.Contains(said.LogTail, `WARN by its logger\x1b[2J n=3`) {
		t.Errorf("%+v", err)
	}
	if err := errors.Join(e.Close(), b.Close()); err != nil {
		t.Fatal(err)
	}
	if got := strings.Count(client.String(), "func=local_test.talkative item="); got != 12 {
		t.Errorf("%d lines came back:\n%s", got, &client)
	}
	found := map[string]int{}
	plain := 0
	for line := range strings.Lines(out.b.String()) {
		text := strings.TrimSpace(line)
		if strings.HasSuffix(text, " plain") {
			plain++
		}
		if !strings.HasPrefix(text, "{") {
			continue
		}
		var v struct {
			Level, Message string
			N              int
			Lambdapool     struct {
				Func, Invocation string
				Item, Attempt    int
				RequestID        string `json:"request_id"`
			}
		}
		if err := json.Unmarshal([]byte(text), &v); err != nil {
			t.Errorf("%v: %s", err, text)
		}
		if w := v.Lambdapool; w.Func != "local_test.talkative" || w.Item != v.N || w.Attempt != 1 || w.Invocation == "" || w.RequestID == "" {
			t.Errorf("whose is %s", text)
		}
		found[v.Level+" "+v.Message]++
	}
	for _, want := range []string{"INFO by context", "INFO by itself", "WARN by its logger\x1b[2J"} {
		if found[want] != 4 {
			t.Errorf("%d lines %q, want 4: %v", found[want], want, found)
		}
	}
	if plain != 4 {
		t.Errorf("package log wrote %d lines, want 4", plain)
	}
}
