package report_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/inproc"
	"github.com/lambdapool/lambdapool/report"
)

var square = lambdapool.Register("report-square", func(_ context.Context, n int) (int, error) { return n * n, nil })

func Example() {
	var rec report.Recorder
	pool, err := lambdapool.New(inproc.New(), lambdapool.WithRecorder(&rec))
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, err := lambdapool.Map(context.Background(), pool, square, []int{1, 2, 3}, lambdapool.ChunkSize(1)); err != nil {
		fmt.Println(err)
	}
	pool.Close()

	r := rec.Report()
	fmt.Println(r.Invocations, "invocations of", r.Functions[0].Name, "with", r.Failed, "failed calls")

	dir, err := os.MkdirTemp("", "report")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	file, err := os.Create(filepath.Join(dir, "report.html")) // a page for a browser
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(report.WriteHTML(file, r), file.Close())
	// Output:
	// 3 invocations of report-square with 0 failed calls
	// <nil> <nil>
}

// recorded stands for a Recorder that an executor has used.
func recorded() *report.Recorder {
	rec := new(report.Recorder)
	rec.Record(aRecord())
	return rec
}

func ExampleReport_Records() {
	for r := range recorded().Report().Records() {
		fmt.Println(r.Func, r.RequestID, r.Received.Sub(r.Sent), r.Run)
	}
	// Output: resize 8f5b2c1e-3f6a-4f0e-9d7b-2a1c3e4d5f60 300ms 200ms
}

func ExampleReport_MarshalJSON() {
	summary, err := recorded().Report().MarshalJSON()
	fmt.Println(strings.Contains(string(summary), `"cold_starts":1`), err)
	// Output: true <nil>
}

func ExampleWriteJSON() {
	var out strings.Builder // a file, for programs to read
	fmt.Println(report.WriteJSON(&out, recorded().Report()))
	fmt.Println(strings.Count(out.String(), `"request_id"`), "invocation")
	// Output:
	// <nil>
	// 1 invocation
}

func ExampleWriteTrace() {
	var out strings.Builder // a file to open in https://ui.perfetto.dev
	fmt.Println(report.WriteTrace(&out, recorded().Report()))
	for line := range strings.Lines(out.String()) {
		if strings.Contains(line, `"name":"run"`) {
			fmt.Print(line)
		}
	}
	// Output:
	// <nil>
	// {"name":"run","ph":"X","cat":"agent","ts":110000,"dur":200000,"pid":1,"tid":1}
}
