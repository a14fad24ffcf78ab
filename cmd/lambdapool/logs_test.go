package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend"
	"github.com/lambdapool/lambdapool/deploy"
	"github.com/lambdapool/lambdapool/deploy/rundeploy"
)

const talker = "./testdata/talker"

// An untilLines reads a log that is followed, and ends the command when it has seen so many lines.
type untilLines struct {
	strings.Builder

	n   int
	end func()
}

func (u *untilLines) Write(p []byte) (int, error) {
	n, err := u.Builder.Write(p)
	if strings.Count(u.String(), "\n") >= u.n {
		u.end()
	}
	return n, err
}

// awaitLogs follows a log until it has n lines: what agents print comes to it a while after their answers.
func awaitLogs(t *testing.T, n int, args ...string) {
	t.Helper()
	ctx, end := context.WithCancel(t.Context())
	defer end()
	out := &untilLines{n: n, end: end}
	var stderr strings.Builder
	a := &app{stdin: strings.NewReader(""), stdout: out, stderr: &stderr, options: []deploy.Option{deploy.WithPoll(time.Millisecond)},
		runOptions: []rundeploy.Option{rundeploy.WithPoll(time.Millisecond)}}
	if a.run(ctx, append(slices.Clone(args), "--follow")); strings.Count(out.String(), "\n") < n {
		t.Fatalf("%q: %q, %s", args, out, &stderr)
	}
}

// spoken are the messages of the functions' lines that a command prints, in order, with the level and the item of each.
func spoken(t *testing.T, out string) (lines []string) {
	t.Helper()
	for line := range strings.Lines(out) {
		_, text, _ := strings.Cut(strings.TrimSpace(line), " ") // behind the time
		var entry struct {
			Level, Message, Word string
			Lambdapool           struct {
				Func, Run string
				Item      *json.Number
				RequestID string `json:"request_id"`
			}
		}
		if err := json.Unmarshal([]byte(text), &entry); err != nil || entry.Lambdapool.Item == nil || entry.Lambdapool.Func != "talk" {
			t.Errorf("%q: %v", line, err)
			continue
		}
		lines = append(lines, entry.Lambdapool.Run+" "+entry.Lambdapool.Item.String()+" "+entry.Level+" "+entry.Message+" "+entry.Word)
	}
	slices.Sort(lines)
	return lines
}

// What functions have logged for an item of a run is found by the run's name and the item's place, and nothing else is.
func TestLogsOfAnItem(t *testing.T) {
	local := startLocal(t)
	s := newShell(t, "", "", "")
	for name, value := range local.Environment {
		t.Setenv(name, value)
	}
	s.want(0, "created", "create", "talker", talker, "--no-smoke", "--quiet")
	registry := lambdapool.NewRegistry()
	talk := lambdapool.RegisterIn(registry, "talk", func(context.Context, string) (string, error) { panic("here") })
	var heard strings.Builder
	e, err := backend.NewExecutor(t.Context(), "lambda://talker?bucket="+local.Bucket, lambdapool.WithRegistry(registry),
		lambdapool.WithLogger(slog.New(slog.NewTextHandler(&heard, nil))))
	if err != nil {
		t.Fatal(err)
	}
	words := []string{"one", "", "three", "four"}
	for _, name := range []string{"nightly", "other"} {
		run, err := lambdapool.MapDetached(t.Context(), e, talk, words, lambdapool.RunName(name), lambdapool.ChunkSize(2), lambdapool.WithLogs(lambdapool.Logs{}))
		if err != nil {
			t.Fatal(err)
		}
		if values, err := run.Wait(t.Context()); !slices.Equal(values, words) || !strings.Contains(err.Error(), "no word") {
			t.Errorf("%q, %v", values, err)
		}
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
	if got := strings.Count(heard.String(), "func=talk run=nightly item="); got != 5 {
		t.Errorf("%d lines of nightly have come with the results:\n%s", got, &heard)
	}

	awaitLogs(t, 5, "logs", "talker", "--run", "nightly")
	awaitLogs(t, 5, "logs", "talker", "--run", "other")
	for _, test := range []struct {
		args string
		want []string
	}{
		{"--run nightly --item 0", []string{"nightly 0 INFO was told one"}},
		{"--run nightly --item 1", []string{"nightly 1 INFO was told ", "nightly 1 WARN nothing to say "}},
		{"--run nightly --item 3", []string{"nightly 3 INFO was told four"}},
		{"--run nightly --item 4", nil},
		{"--run night --item 1", nil},
		{"--run other", []string{"other 0 INFO was told one", "other 1 INFO was told ", "other 1 WARN nothing to say ", "other 2 INFO was told three", "other 3 INFO was told four"}},
		{"--item 2", []string{"nightly 2 INFO was told three", "other 2 INFO was told three"}},
	} {
		if got := spoken(t, s.want(0, "", append([]string{"logs", "talker"}, strings.Fields(test.args)...)...)); !slices.Equal(got, test.want) {
			t.Errorf("%s: %q, want %q", test.args, got, test.want)
		}
	}
}
