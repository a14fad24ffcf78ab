package main

import (
	"io"
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

// What a client takes does not grow with its input. The limit is far above what a quiet machine shows.
func TestMemoryOfTheClient(t *testing.T) {
	const split = 1 << 20
	all, err := measureAll(t.Context(), "10,100", split)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range all {
		t.Logf("%s, %d MB: %.1f MiB", m.what, m.Size/1e6, mib(m.Client))
		if m.growth > 1.5 || m.Splits < m.Size/split {
			t.Errorf("%s: %d MB in %d splits take %.2f times what the smallest input takes", m.what, m.Size/1e6, m.Splits, m.growth)
		}
	}
	for _, sizes := range []string{"", "0", "x", "1,"} {
		if err := table(t.Context(), sizes, split, io.Discard); err == nil {
			t.Errorf("sizes %q were measured", sizes)
		}
	}
}

// An input is the same in whatever pieces it is read.
func TestGenerated(t *testing.T) {
	const size = 100_000 // an end within a block
	read := func(from, n int64) string {
		t.Helper()
		g := &generated{size: size}
		if at, err := g.Seek(from-size, io.SeekEnd); err != nil || at != from {
			t.Fatal(at, err)
		}
		data, err := io.ReadAll(io.LimitReader(g, n))
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	whole := read(0, size)
	var c count
	for line := range strings.Lines(whole) {
		if err := c.line([]byte(strings.TrimSuffix(line, "\n"))); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.check(size); err != nil {
		t.Error(err)
	}
	for from := int64(0); from < size; from += 4001 {
		if read(from, 70_000) != whole[from:min(from+70_000, size)] {
			t.Errorf("from %d: other bytes", from)
		}
	}
	if c.Sum++; c.check(size) == nil {
		t.Error("a block that was read twice was not noticed")
	}
}
