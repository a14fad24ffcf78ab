package main

import (
	"bytes"
	"errors"
	"regexp"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/inproc"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestStartLookCollect(t *testing.T) {
	b := inproc.New()
	defer b.Close()
	var out bytes.Buffer
	// Each command is another client.
	for _, command := range []string{"start", "start", "collect", "look"} {
		e, err := lambdapool.New(b)
		if err != nil {
			t.Fatal(err)
		}
		if err := do(t.Context(), &out, e, "test", command); err != nil {
			t.Fatal(err)
		}
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
	}
	want := regexp.MustCompile(`^(run test has 200 calls; this program may end now
agents can record results until .*
){2}148933 primes below 2000000
0 queued, 0 running, 200 succeeded, 0 failed, 0 expired, 0 canceled
$`)
	if !want.MatchString(out.String()) {
		t.Error(out.String())
	}
}

func TestWrongUse(t *testing.T) {
	if err := run(t.Context(), nil, "inproc:", "x", "collect"); !errors.Is(err, lambdapool.ErrRunNotFound) {
		t.Error(err)
	}
	if err := run(t.Context(), nil, "inproc:", "x", ""); err == nil || !strings.Contains(err.Error(), "say start, look or collect") {
		t.Error(err)
	}
	if err := run(t.Context(), nil, "nothing:", "x", "start"); err == nil {
		t.Error("a backend that there is not")
	}
}
