package report

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/lambdapool/lambdapool/internal/english"
)

// A chart is drawn as SVG, stretched to the width there is. Its labels are
// text beside it, so that they are not.
type chart struct {
	Label         string
	Width, Height int
	X, Y          []string // labels, evenly spaced; Y from the top
	Area          string   // an SVG path
	Alarms        string   // likewise
	Bars          []bar
	Marks         []mark
}

// A bar is one bin of a histogram.
type bar struct {
	X, Y, Width, Height float64
	Text                string
}

// A mark is a line across the chart, such as a percentile.
type mark struct {
	X    float64
	Text string
}

// Middle is where the second grid line is.
func (c chart) Middle() int { return c.Height / 2 }

// chartParts is how finely time is divided: more than a screen shows is lost, and the page grows.
const (
	chartParts  = 300
	chartHeight = 100
	maxBins     = 40
)

// concurrencyChart shows the invocations in flight, and when some were refused. Each part of the
// time has its highest level, so that a short peak is not averaged away.
func (r *Report) concurrencyChart() (c chart, part time.Duration) {
	series := r.concurrency(chartParts)
	refused := make([]bool, chartParts)
	for i := range r.entries {
		if e := &r.entries[i]; e.throttle != 0 {
			refused[r.part(e.sent, chartParts)] = true
		}
	}
	top := niceAbove(slices.Max(series))
	c = chart{
		Label: fmt.Sprintf("Invocations in flight over time: at most %s, within %s.", english.Number(r.MaxConcurrency), english.Length(r.Elapsed)),
		Width: chartParts, Height: chartHeight,
		Y: []string{english.Number(top), english.Number(top / 2), "0"},
	}
	for i := range 5 {
		c.X = append(c.X, english.Length(r.Elapsed*time.Duration(i)/4))
	}
	var area, alarms strings.Builder
	fmt.Fprintf(&area, "M0 %d", chartHeight)
	for i, level := range series {
		fmt.Fprintf(&area, "V%.4gH%d", chartHeight*(1-float64(level)/float64(top)), i+1)
		if refused[i] {
			fmt.Fprintf(&alarms, "M%d 0h1v4h-1z", i)
		}
	}
	fmt.Fprintf(&area, "V%dz", chartHeight)
	c.Area, c.Alarms = area.String(), alarms.String()
	return c, r.Elapsed / chartParts
}

// niceAbove returns the next of 2, 4, 10, 20, 40, 100 and so on.
func niceAbove(n int) int {
	for decade := 1; ; decade *= 10 {
		for _, step := range []int{2, 4, 10} {
			if n <= step*decade {
				return step * decade
			}
		}
	}
}

// runChart is a histogram of run times, whose bins are equally wide on a
// logarithmic scale.
func (r *Report) runChart() chart {
	var runs []time.Duration
	for i := range r.entries {
		if e := &r.entries[i]; e.answered() && e.run > 0 {
			runs = append(runs, e.run)
		}
	}
	// More bins the more there is to tell; a multiple of four, which the labels divide.
	bins := min(max(int(2*math.Sqrt(float64(len(runs))))/4*4, 8), maxBins)
	c := chart{Width: bins * 10, Height: chartHeight}
	if len(runs) == 0 {
		c.Label, c.X, c.Y = "No run times are known.", []string{"no run times are known"}, []string{"0"}
		return c
	}
	low, high := float64(slices.Min(runs)), float64(slices.Max(runs))
	if high < 2*low {
		// A bin of a hundredth of what it counts would show noise.
		low, high = low/math.Sqrt2, high*math.Sqrt2
	}
	width := math.Log(high/low) / float64(bins)
	bin := func(d time.Duration) float64 { return math.Log(float64(d)/low) / width }
	edge := func(i int) time.Duration { return time.Duration(low * math.Exp(float64(i)*width)) }
	counts := make([]int, bins)
	for _, d := range runs {
		counts[min(max(int(bin(d)), 0), bins-1)]++
	}
	top := niceAbove(slices.Max(counts))
	c.Y = []string{english.Number(top), english.Number(top / 2), "0"}
	for i := range 5 {
		c.X = append(c.X, english.Length(edge(i*bins/4)))
	}
	for i, n := range counts {
		if n > 0 {
			height := chartHeight * float64(n) / float64(top)
			c.Bars = append(c.Bars, bar{
				X: float64(i)*10 + 0.5, Y: chartHeight - height, Width: 9, Height: height,
				Text: fmt.Sprintf("%s from %s to %s", english.Number(n), english.Length(edge(i)), english.Length(edge(i+1))),
			})
		}
	}
	for _, p := range []struct {
		name string
		at   time.Duration
	}{{"p50", r.RunTime.P50}, {"p95", r.RunTime.P95}, {"p99", r.RunTime.P99}} {
		if p.at > 0 {
			c.Marks = append(c.Marks, mark{X: bin(p.at) * 10, Text: p.name + " " + english.Length(p.at)})
		}
	}
	c.Label = fmt.Sprintf("Histogram of %s run times: half are below %s, 95 %% below %s, the longest is %s.",
		english.Number(len(runs)), english.Length(r.RunTime.P50), english.Length(r.RunTime.P95), english.Length(r.RunTime.Max))
	return c
}
