package report_test

import (
	"fmt"
	"strings"

	"github.com/lambdapool/lambdapool/report"
)

func ExampleWriteHTML() {
	var page strings.Builder // a file to open in a browser: it needs no network
	err := report.WriteHTML(&page, recorded().Report())
	fmt.Println(strings.HasPrefix(page.String(), "<!"), strings.Contains(page.String(), "resize"), err)
	// Output: true true <nil>
}

// The zero Recorder is ready. Given to lambdapool.WithRecorder it is told of every invocation.
func ExampleRecorder() {
	var rec report.Recorder
	rec.Record(aRecord())
	rec.Record(aRecord())
	fmt.Println(rec.Report().Invocations, "invocations")
	// Output: 2 invocations
}
