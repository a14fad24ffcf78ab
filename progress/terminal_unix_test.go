//go:build unix

package progress_test

import (
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/progress"
)

// onTerminal runs a short run on a real pseudo-terminal, and returns what came
// out of it.
func onTerminal(t *testing.T, env map[string]string, opts ...progress.Option) string {
	t.Helper()
	for _, name := range []string{"NO_COLOR", "TERM", "LC_ALL", "LC_CTYPE", "LANG"} {
		t.Setenv(name, env[name])
	}
	master, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	if err := pty.Setsize(tty, &pty.Winsize{Rows: 24, Cols: 72}); err != nil {
		t.Fatal(err)
	}
	shown := make(chan string)
	go func() {
		data, _ := io.ReadAll(master) // on Linux the end of a terminal is an error
		shown <- string(data)
	}()
	show := progress.Show(tty, opts...)
	show(half())
	show(lambdapool.Snapshot{Func: "resize", Total: 10_000, Done: 9_997, Failed: 3, Elapsed: time.Second, Final: true})
	if err := tty.Close(); err != nil {
		t.Error(err)
	}
	defer master.Close()
	return <-shown
}

func TestATerminalIsRecognized(t *testing.T) {
	for _, test := range []struct {
		name                 string
		env                  map[string]string
		opts                 []progress.Option
		live, color, unicode bool
	}{
		{"a terminal", map[string]string{"TERM": "xterm", "LANG": "de_CH.UTF-8"}, nil, true, true, true},
		{"NO_COLOR", map[string]string{"TERM": "xterm", "LANG": "C.utf8", "NO_COLOR": "1"}, nil, true, false, true},
		{"a locale without Unicode", map[string]string{"TERM": "xterm", "LC_ALL": "POSIX", "LANG": "C.UTF-8"}, nil, true, true, false},
		{"a dumb terminal", map[string]string{"TERM": "dumb", "LANG": "C.UTF-8"}, nil, false, false, false},
		{"plain lines are asked for", map[string]string{"TERM": "xterm"}, []progress.Option{progress.Plain()}, false, false, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := onTerminal(t, test.env, test.opts...)
			if live := strings.Contains(got, "\x1b[2K"); live != test.live {
				t.Errorf("live: %v, want %v: %q", live, test.live, got)
			}
			if color := strings.Contains(got, "\x1b[31m3 failed"); color != test.color {
				t.Errorf("color: %v, want %v: %q", color, test.color, got)
			}
			if unicode := strings.Contains(got, "━"); unicode != test.unicode {
				t.Errorf("unicode: %v, want %v: %q", unicode, test.unicode, got)
			}
			v := newVT(72, 24)
			if _, err := io.WriteString(v, got); err != nil {
				t.Fatal(err)
			}
			if lines := strings.Split(strings.TrimSpace(v.text()), "\n"); lines[len(lines)-1] != "resize: 10,000 items in 1s (10,000/s), 3 failed" {
				t.Errorf("the last line is not the summary: %q", lines)
			}
		})
	}
}

// A narrow terminal loses what matters least, a wide one has a longer bar; neither has a line that is wrapped.
func TestTheBarFitsItsTerminal(t *testing.T) {
	for name, value := range map[string]string{"TERM": "xterm", "LC_ALL": "C.UTF-8", "NO_COLOR": "1"} {
		t.Setenv(name, value)
	}
	for columns, want := range map[int][]string{
		40:  {"resize", "52%", "256 running", "4,544 queued"},
		80:  {"resize", "52%", "5,200/10,000", "ETA 5.", "256 running", "3 failed"},
		200: {"resize", "52%", "5,200/10,000", "ETA 5.", "813/s", "256 running", "4,544 queued", "614 s billed", "$0.0102"},
	} {
		v := drawn(t, columns)
		text := v.text()
		for _, part := range want {
			if !strings.Contains(text, part) {
				t.Errorf("%d columns: no %q in\n%s", columns, part, text)
			}
		}
		for _, line := range v.lines {
			if line.wrapped {
				t.Errorf("%d columns: a line is wrapped:\n%s", columns, text)
			}
		}
		if len(v.faults) > 0 {
			t.Errorf("%d columns: %v", columns, v.faults)
		}
	}
}

// drawn shows what a pseudo-terminal of that width has once a run is drawn.
func drawn(t *testing.T, columns int) *vt {
	t.Helper()
	master, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer master.Close()
	if err := pty.Setsize(tty, &pty.Winsize{Rows: 24, Cols: uint16(columns)}); err != nil {
		t.Fatal(err)
	}
	show := progress.Show(tty)
	show(half())
	var seen strings.Builder
	for buf := make([]byte, 4096); !strings.Contains(seen.String(), "queued"); { // which is on the last line
		n, err := master.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		seen.Write(buf[:n])
	}
	v := newVT(columns, 24)
	if _, err := io.WriteString(v, seen.String()); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, master)
		close(ended)
	}()
	show(end(half()))
	if err := tty.Close(); err != nil {
		t.Error(err)
	}
	<-ended
	return v
}

func TestAFileIsNoTerminal(t *testing.T) {
	file, err := os.Create(t.TempDir() + "/out")
	if err != nil {
		t.Fatal(err)
	}
	show := progress.Show(file)
	show(half())
	show(lambdapool.Snapshot{Func: "f", Final: true})
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(file.Name())
	if err != nil {
		t.Fatal(err)
	}
	if got := string(data); got != "f: 0 items in 0s\n" {
		t.Errorf("got %q", got)
	}
}

// interrupted is set in the process that TestAnInterruptLeavesTheTerminalWhole starts.
const interrupted = "LAMBDAPOOL_TEST_INTERRUPTED"

func TestAnInterruptLeavesTheTerminalWhole(t *testing.T) {
	if os.Getenv(interrupted) != "" {
		for show := progress.Show(os.Stderr); ; {
			show(half())
		}
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), interrupted+"=1", "TERM=xterm")
	terminal, err := pty.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	defer terminal.Close()
	var seen strings.Builder
	buf := make([]byte, 4096)
	for sent := false; ; {
		n, err := terminal.Read(buf)
		seen.Write(buf[:n])
		if err != nil {
			break
		}
		if !sent && strings.Count(seen.String(), "5,200/10,000") > 3 {
			sent = true
			if _, err := terminal.WriteString("\x03"); err != nil { // Ctrl-C
				t.Fatal(err)
			}
		}
	}
	if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "interrupt") {
		t.Errorf("the process ended with %v, want the signal: nobody may catch it", err)
	}
	// The terminal echoes ^C; nothing but whole lines comes from the process.
	if got := strings.ReplaceAll(seen.String(), "^C", ""); !strings.HasSuffix(got, "\r\n") || strings.Contains(got, "\x1b[?25l") {
		t.Errorf("the terminal is left with %q", got[max(0, len(got)-100):])
	}
}

func TestLocales(t *testing.T) {
	for _, test := range []struct {
		goos   string
		locale map[string]string
		want   bool
	}{
		{"linux", nil, false},
		{"darwin", nil, true},
		{"darwin", map[string]string{"LC_CTYPE": "C"}, false},
		{"linux", map[string]string{"LANG": "en_US.UTF-8"}, true},
		{"linux", map[string]string{"LANG": "en_US.UTF-8", "LC_CTYPE": "C"}, false},
		{"linux", map[string]string{"LANG": "C", "LC_ALL": "C.utf8"}, true},
	} {
		if got := progress.ShowsUnicode(test.goos, func(name string) string { return test.locale[name] }); got != test.want {
			t.Errorf("%s, %v: %v, want %v", test.goos, test.locale, got, test.want)
		}
	}
}
