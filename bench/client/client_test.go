package main

import (
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestMain(m *testing.M) {
	if os.Getenv(serverEnv) != "" {
		serve(os.Stdin, os.Stdout)
		return
	}
	os.Exit(m.Run())
}

// The measurement itself works; what it finds is for a quiet machine to say.
func TestRun(t *testing.T) {
	var out strings.Builder
	p := params{latency: time.Millisecond, slice: 50 * time.Millisecond, inflight: 4, rounds: 1}
	if err := run(t.Context(), p, &out); err != nil {
		t.Fatal(err)
	}
	rows := regexp.MustCompile(`(?m)^\| (\w.*?) \| (\d+) \| \d+ to \d+ \| (\d+) µs \|`).FindAllStringSubmatch(out.String(), -1)
	if len(rows) != 8 {
		t.Fatalf("%d clients in two tables, want 8:\n%s", len(rows), &out)
	}
	for _, row := range rows {
		if rate, err := strconv.Atoi(row[2]); err != nil || rate < 1 || rate > 4000 {
			t.Errorf("%s: %s calls/s; 4 in flight at 1 ms allow 4,000", row[1], row[2])
		}
	}
}

func TestRunErrors(t *testing.T) {
	for _, p := range []params{{}, {slice: 1, inflight: 1}, {slice: 1, rounds: 1}, {slice: 1, inflight: 1, rounds: 1, latency: -1}} {
		if err := run(t.Context(), p, &strings.Builder{}); err == nil {
			t.Errorf("%+v was accepted", p)
		}
	}
}
