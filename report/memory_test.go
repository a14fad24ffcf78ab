package report_test

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/lambdapool/lambdapool/report"
)

// What the documentation of Recorder states.
func TestBytesPerRecord(t *testing.T) {
	const n = 50_000
	var before, after runtime.MemStats
	rec := new(report.Recorder)
	runtime.GC()
	runtime.ReadMemStats(&before)
	for i := range n {
		r := aRecord()
		r.ID = fmt.Sprintf("0123456789ab-%d", i)
		r.RequestID = fmt.Sprintf("%08x-0000-4000-8000-000000000000", i)
		rec.Record(r)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if each := float64(after.HeapAlloc-before.HeapAlloc) / n; each > 250 {
		t.Errorf("%.0f bytes for each record, want at most 250", each)
	} else {
		t.Logf("%.0f bytes for each record", each)
	}
	runtime.KeepAlive(rec)
}

func BenchmarkRecord(b *testing.B) {
	r := aRecord()
	var rec report.Recorder
	b.ReportAllocs()
	for b.Loop() {
		rec.Record(r)
	}
}

// As executors do: from many goroutines.
func BenchmarkRecordParallel(b *testing.B) {
	r := aRecord()
	var rec report.Recorder
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			rec.Record(r)
		}
	})
}

func BenchmarkReport100k(b *testing.B) {
	var rec report.Recorder
	simulate(100_000, 1500, rec.Record)
	for b.Loop() {
		rec.Report()
	}
}
