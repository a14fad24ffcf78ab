package main

import (
	"os"
	"strings"
	"testing"

	"github.com/lambdapool/lambdapool/agent"
)

func TestMain(m *testing.M) {
	agent.Main()
	if child() {
		return
	}
	os.Exit(m.Run())
}

// All ways sort, whatever time they take: compare checks what they have written.
func TestCompare(t *testing.T) {
	var out strings.Builder
	if err := compare(t.Context(), params{records: 20_000, rounds: 1, seed: 7}, &out); err != nil {
		t.Fatal(err)
	}
	if lines := strings.Split(out.String(), "\n"); len(lines) != 6 || !strings.HasPrefix(lines[0], "| 20,000 records, 2 MB |") {
		t.Error(out.String())
	}
	if err := compare(t.Context(), params{}, &out); err == nil {
		t.Error("no records were sorted")
	}
}

// What is not sorted is noticed, and what is lost, and what is another.
func TestCheck(t *testing.T) {
	record := func(key string) string { return key + strings.Repeat("x", size-len(key)-1) + "\n" }
	seen := func(records ...string) (o order) {
		t.Helper()
		if err := o.read(strings.NewReader(strings.Join(records, ""))); err != nil {
			t.Fatal(err)
		}
		return o
	}
	a, b := record("a"), record("b")
	want := seen(b, a)
	for _, test := range []struct {
		got order
		ok  bool
	}{{seen(a, b), true}, {want, false}, {seen(a), false}, {seen(a, record("c")), false}, {seen(a, b, b), false}} {
		if err := test.got.check(want); (err == nil) != test.ok {
			t.Errorf("%+v: %v", test.got, err)
		}
	}
	if err := want.read(strings.NewReader("short")); err == nil {
		t.Error("a part of a record was taken for one")
	}
}
