package main

import (
	"os"
	"strings"
	"testing"
)

func TestMain(m *testing.M) {
	if child() {
		return
	}
	os.Exit(m.Run())
}

// small is what a test has time for. Series are compared with the first.
var small = []series{
	{"errgroup", "closures", []int{20_000}},
	{"submit", "calls submitted at once", []int{10_000, 30_000}},
	{"map", "items mapped", []int{20_000, 100_000}},
	{"runs", "runs at once", []int{5, 20}},
}

// stored is the CPU of an item of each series, at its largest, in times of a closure in an errgroup, as it was seen on one machine. Who makes
// that better writes the new number here.
var stored = map[string]float64{"submit": 31, "map": 2.8, "runs": 2.9}

// How much more is no noise any more: machines differ, and others use them.
const (
	worse      = 4 // times what is stored
	growsCPU   = 4 // from the smallest to the largest of a series
	growsBytes = 3
)

// What an item costs is about what it did cost, and does not grow with their number. Nothing here is an absolute time.
func TestRatios(t *testing.T) {
	points, err := measureAll(t.Context(), small, 3)
	if err != nil {
		t.Fatal(err)
	}
	closure := points[0][0].cpu
	for i, s := range small[1:] {
		first, last := points[i+1][0], points[i+1][len(s.sizes)-1]
		t.Logf("%s: %.1f times a closure's CPU, %.0f bytes; growth %.2f and %.2f", s.name, last.cpu/closure, last.bytes, last.cpu/first.cpu, growth(last.bytes, first.bytes))
		if ratio := last.cpu / closure; ratio > worse*stored[s.load] {
			t.Errorf("%s: an item takes %.1f times the CPU of a closure, it was %.1f times", s.name, ratio, stored[s.load])
		}
		if grown := last.cpu / first.cpu; grown > growsCPU {
			t.Errorf("%s: an item of %d takes %.2f times the CPU of one of %d", s.name, last.size, grown, first.size)
		}
		if grown := growth(last.bytes, first.bytes); grown > growsBytes {
			t.Errorf("%s: an item of %d takes %.2f times the memory of one of %d", s.name, last.size, grown, first.size)
		}
	}
}

func TestReport(t *testing.T) {
	var out strings.Builder
	all := []series{{"map", "items mapped", []int{1_000, 2_000}}}
	if err := report(t.Context(), all, 1, &out); err != nil {
		t.Fatal(err)
	}
	if rows := strings.Count(out.String(), "| items mapped |"); rows != 2 {
		t.Errorf("%d rows, want 2:\n%s", rows, &out)
	}
	if err := report(t.Context(), all, 0, &out); err == nil {
		t.Error("no round was measured")
	}
}

func TestChosen(t *testing.T) {
	for load, want := range map[string]int{"": len(full), "runs": 1, "x": 0} {
		got, err := chosen(load)
		if len(got) != want || (err != nil) != (want == 0) {
			t.Errorf("%q: %v, %v", load, got, err)
		}
	}
}

func TestBar(t *testing.T) {
	for grown, want := range map[float64]string{
		0.5: strings.Repeat("█", 10) + strings.Repeat(" ", 15) + "| 0.50",
		2:   strings.Repeat("█", 40) + " 2.00",
		9:   strings.Repeat("█", 60) + " 9.00",
	} {
		if got := bar(grown); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
