//go:build chromium

package report_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/lambdapool/lambdapool/report"
)

// The page in a browser: go test -tags chromium ./report, with chromium in the
// path. Its script must run under its own policy and draw.
func TestChromiumShowsThePage(t *testing.T) {
	for _, n := range []int{0, 1, 100_000} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			var rec report.Recorder
			simulate(n, 1500, rec.Record)
			path := filepath.Join(t.TempDir(), "report.html")
			if err := os.WriteFile(path, write(t, "html", rec.Report()), 0o600); err != nil {
				t.Fatal(err)
			}
			cmd := exec.CommandContext(t.Context(), "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-dev-shm-usage",
				"--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
				"--user-data-dir="+t.TempDir(), "--window-size=1300,1000", "--virtual-time-budget=5000",
				"--enable-logging=stderr", "--dump-dom", "file://"+path)
			var stderr bytes.Buffer
			cmd.Stderr = &stderr
			dom, err := cmd.Output()
			if err != nil {
				t.Fatalf("%v\n%s", err, &stderr)
			}
			if i := strings.Index(stderr.String(), "CONSOLE"); i >= 0 {
				t.Errorf("the browser complains: %.300s", stderr.String()[i:])
			}
			drawn := regexp.MustCompile(`<canvas[^>]* width="[1-9][0-9]{2,}"`).Match(dom)
			if drawn != (n > 0) {
				t.Errorf("the timeline is drawn: %v", drawn)
			}
		})
	}
}
