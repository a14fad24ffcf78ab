package local_test

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/lambdapool/lambdapool/backend/local"
	"github.com/lambdapool/lambdapool/codec"
)

// event sends a job as an Event invocation.
func event(t *testing.T, b *local.Backend, j job) {
	t.Helper()
	r := send(t, b, request{body: must(json.Marshal(j)), header: map[string]string{"X-Amz-Invocation-Type": "Event"}})
	if r.status != http.StatusAccepted || r.body != "" || r.header.Get("X-Amz-Request-Id") == "" {
		t.Errorf("status %d, body %q, request %q", r.status, r.body, r.header.Get("X-Amz-Request-Id"))
	}
}

func TestEventsWaitForTheirTurn(t *testing.T) {
	t.Parallel()
	b := open(t, as("handler"), local.WithConcurrency(1))
	dir := t.TempDir()
	for _, name := range []string{"a", "b", "c", "d"} {
		event(t, b, job{Do: "touch and sleep", Text: dir + "/" + name, N: 20})
	}
	eventually(t, "all have run", func() bool { return len(must(os.ReadDir(dir))) == 4 })
	times := map[string]time.Time{}
	for _, entry := range must(os.ReadDir(dir)) {
		times[entry.Name()] = must(entry.Info()).ModTime()
	}
	if times["b"].Before(times["a"]) || times["c"].Before(times["b"]) || times["d"].Before(times["c"]) {
		t.Errorf("they ran at %v", times)
	}
	if r := send(t, b, request{body: jsonString(codec.MaxEventRequest), header: map[string]string{"X-Amz-Invocation-Type": "Event"}}); r.status != http.StatusAccepted {
		t.Errorf("the largest event: status %d", r.status)
	}
}

// runs is how often a "fail until" job has run.
func runs(path string) int {
	data, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	return len(data)
}

func TestEventRetries(t *testing.T) {
	t.Parallel()
	var log lockedBuffer
	b := open(t, as("handler"), local.WithConcurrency(1),
		local.WithEventRetries(time.Hour, time.Millisecond, 2*time.Millisecond),
		local.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
	path := t.TempDir() + "/runs"
	event(t, b, job{Do: "fail until", Text: path, N: 1})
	eventually(t, "it succeeds the second time", func() bool { return runs(path) == 2 })
	event(t, b, job{Do: "fail until", Text: path, N: 1000})
	eventually(t, "the other is dropped", func() bool { return strings.Contains(log.String(), `msg="event dropped"`) })
	if n := runs(path); n != 5 { // two of the first, three of the second
		t.Errorf("%d runs, want 5", n)
	}
	if !strings.Contains(log.String(), `why="out of retries"`) || strings.Contains(log.String(), "fail until") {
		t.Errorf("log\n%s", log.String())
	}
}

func TestEventsGrowOld(t *testing.T) {
	t.Parallel()
	var log lockedBuffer
	b := open(t, as("handler"), local.WithConcurrency(1),
		local.WithEventRetries(50*time.Millisecond, 100*time.Millisecond),
		local.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
	path := t.TempDir() + "/runs"
	event(t, b, job{Do: "sleep", N: 60})
	event(t, b, job{Do: "fail until", Text: path, N: 1000})
	eventually(t, "it is dropped", func() bool { return strings.Contains(log.String(), `why="too old"`) })
	if n := runs(path); n > 1 {
		t.Errorf("%d runs", n)
	}
}

func TestEventsEndWithTheBackend(t *testing.T) {
	t.Parallel()
	var log lockedBuffer
	b := open(t, as("handler"), local.WithConcurrency(1), local.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
	path := t.TempDir() + "/runs"
	event(t, b, job{Do: "fail until", Text: path, N: 1000}) // waits a minute for its retry
	eventually(t, "the first has run", func() bool { return runs(path) == 1 })
	event(t, b, job{Do: "touch and sleep", Text: path + "2", N: 60_000}) // runs
	eventually(t, "the second runs", func() bool { return runs(path+"2") == 1 })
	event(t, b, job{Do: "sleep"}) // waits for its turn
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	if n := strings.Count(log.String(), `msg="event dropped"`); n != 3 {
		t.Errorf("%d events were dropped, want 3:\n%s", n, log.String())
	}
}
