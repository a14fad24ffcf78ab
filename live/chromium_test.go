//go:build chromium

package live_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/inproc"
)

// The page in a browser: go test -tags chromium ./live, with chromium in the path. Its script must
// run under its own policy, and show what happened, at two widths.
func TestChromiumShowsThePage(t *testing.T) {
	page := serve(t)
	e, err := lambdapool.New(inproc.New(), page)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	in := make([]int, 50)
	for i := range in {
		in[i] = i
	}
	if _, err := lambdapool.Map(t.Context(), e, half, in, lambdapool.ContinueOnError()); err == nil {
		t.Fatal("odd numbers must fail")
	}
	for _, width := range []int{1300, 390} {
		t.Run(fmt.Sprint(width), func(t *testing.T) {
			tab := openTab(t, width, page.URL())
			text := ""
			for end := time.Now().Add(time.Minute); !strings.Contains(text, "Nothing is in flight") || !strings.Contains(text, "50 of 50"); {
				if time.Now().After(end) {
					t.Fatalf("the page says %q", text)
				}
				text = tab.evaluate(t, "document.body.innerText")
			}
			for _, want := range []string{"done, with failures", "is odd <script>alert(1)</script>", "25 failed"} {
				if !strings.Contains(text, want) {
					t.Errorf("the page does not say %q: %s", want, text)
				}
			}
			if wide := tab.evaluate(t, "String(document.documentElement.scrollWidth - innerWidth)"); wide != "0" {
				t.Errorf("the page is %s px wider than the window", wide)
			}
		})
	}
}

// A tab is one page of a browser, by the DevTools protocol over pipes.
type tab struct {
	in      *os.File
	out     *bufio.Reader
	session string
	last    int
}

func openTab(t *testing.T, width int, url string) *tab {
	t.Helper()
	theirs, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	out, answers, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-dev-shm-usage",
		"--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--remote-debugging-pipe",
		"--user-data-dir="+t.TempDir(), fmt.Sprintf("--window-size=%d,1500", width), "--enable-logging=stderr")
	cmd.ExtraFiles = []*os.File{theirs, answers} // descriptors 3 and 4, as the flag has it
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	theirs.Close()
	answers.Close()
	b := &tab{in: in, out: bufio.NewReader(out)}
	t.Cleanup(func() {
		in.Close()     // that ends it
		_ = cmd.Wait() // as it likes
		out.Close()
		if i := strings.Index(stderr.String(), "CONSOLE"); i >= 0 {
			t.Errorf("the browser complains: %.300s", stderr.String()[i:])
		}
	})
	target := b.do(t, "Target.createTarget", map[string]any{"url": url})
	b.session = b.do(t, "Target.attachToTarget", map[string]any{"targetId": target["targetId"], "flatten": true})["sessionId"].(string)
	b.do(t, "Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": 1500, "deviceScaleFactor": 1, "mobile": width < 500})
	return b
}

// evaluate returns the value of an expression, which is text.
func (b *tab) evaluate(t *testing.T, expression string) string {
	t.Helper()
	answer := b.do(t, "Runtime.evaluate", map[string]any{"expression": expression})
	result, _ := answer["result"].(map[string]any)
	text, _ := result["value"].(string)
	return text
}

func (b *tab) do(t *testing.T, method string, params map[string]any) map[string]any {
	t.Helper()
	b.last++
	message := map[string]any{"id": b.last, "method": method, "params": params}
	if b.session != "" {
		message["sessionId"] = b.session
	}
	data, err := json.Marshal(message)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.in.Write(append(data, 0)); err != nil {
		t.Fatal(err)
	}
	for {
		data, err := b.out.ReadBytes(0)
		if err != nil {
			t.Fatal(err)
		}
		var answer struct {
			ID     int
			Result map[string]any
			Error  map[string]any
		}
		if err := json.Unmarshal(bytes.TrimSuffix(data, []byte{0}), &answer); err != nil {
			t.Fatal(err)
		}
		if answer.ID != b.last {
			continue // an event
		}
		if answer.Error != nil {
			t.Fatalf("%s: %v", method, answer.Error)
		}
		return answer.Result
	}
}
