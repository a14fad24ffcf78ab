package detached_test

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/lambdapool/lambdapool/internal/detached"
)

var start = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

func manifest() *detached.Manifest {
	return &detached.Manifest{
		ID: "r", Func: "f", Items: 10, Chunk: 3, Created: start, StartBy: start.Add(time.Hour), RecordBy: start.Add(2 * time.Hour),
		KeepUntil: start.Add(24 * time.Hour), Timeout: detached.Duration(time.Minute), Retries: 2,
	}
}

func TestNames(t *testing.T) {
	for _, id := range []string{"a", "nightly-2026.11.20_x", strings.Repeat("x", detached.MaxID)} {
		if err := detached.CheckID(id); err != nil {
			t.Error(err)
		}
		if got, ok := detached.IndexID(detached.IndexKey(id)); got != id || !ok {
			t.Errorf("%q, %v", got, ok)
		}
	}
	for _, id := range []string{"", "a/b", "..", ".", "a b", "ä", strings.Repeat("x", detached.MaxID+1)} {
		if err := detached.CheckID(id); err == nil {
			t.Errorf("%q is accepted", id)
		}
	}
	if key := detached.ChunkKey("r", 7, detached.Claim); key != "runs/r/00000007/claim" {
		t.Error(key)
	}
}

func TestManifest(t *testing.T) {
	m := manifest()
	data, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	back, err := detached.DecodeManifest(data, "r")
	if err != nil || !cmp.Equal(back, m) {
		t.Error(err, cmp.Diff(m, back))
	}
	if first, end := m.Span(3); m.Chunks() != 4 || first != 9 || end != 10 {
		t.Errorf("%d chunks, the last from %d to %d", m.Chunks(), first, end)
	}
	newer := strings.Replace(string(data), `"version": 1`, `"version": 2`, 1)
	if _, err := detached.DecodeManifest([]byte(newer), "r"); !errors.Is(err, detached.ErrNewer) {
		t.Error(err)
	}
	for name, damaged := range map[string]string{
		"no JSON": "x", "of another run": strings.Replace(string(data), `"id": "r"`, `"id": "s"`, 1),
		"no chunks": strings.Replace(string(data), `"chunk": 3`, `"chunk": 0`, 1),
		"negative":  strings.Replace(string(data), `"items": 10`, `"items": -1`, 1),
		"huge":      strings.Replace(string(data), `"items": 10`, `"items": 9223372036854775807`, 1),
		"one chunk": strings.NewReplacer(`"items": 10`, `"items": 1000000000`, `"chunk": 3`, `"chunk": 1000000000`).Replace(string(data)),
		"many":      strings.NewReplacer(`"items": 10`, `"items": 1000000000`, `"chunk": 3`, `"chunk": 1`).Replace(string(data)),
		"control":   strings.Replace(string(data), `"func": "f"`, `"func": "\u001b[2J"`, 1),
		"timeout":   strings.Replace(string(data), `"1m0s"`, `"soon"`, 1),
	} {
		if _, err := detached.DecodeManifest([]byte(damaged), "r"); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// In whatever order chunks are accepted, the ranges are theirs and as few as can be.
func TestSent(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	var s detached.Sent
	sent := map[int]bool{}
	for range 400 {
		chunk := rnd.IntN(300)
		s.Add(chunk)
		sent[chunk] = true
		next := -1
		for _, r := range s.Ranges {
			if r[0] <= next || r[1] < r[0] {
				t.Fatalf("%v", s.Ranges)
			}
			next = r[1] + 1
		}
		if s.Len() != len(sent) {
			t.Fatalf("%d noted of %d: %v", s.Len(), len(sent), s.Ranges)
		}
	}
	data, err := s.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if back, err := detached.DecodeSent(data, 300); err != nil || !cmp.Equal(*back, s) {
		t.Errorf("%v, %v", back, err)
	}
	for _, damaged := range []string{"", `{"ranges":[[0,300]]}`, `{"ranges":[[5,4]]}`, `{"ranges":[[0,4],[4,5]]}`, `{"ranges":[[-1,4]]}`} {
		if _, err := detached.DecodeSent([]byte(damaged), 300); err == nil {
			t.Errorf("%s: accepted", damaged)
		}
	}
}

func at(minutes int) time.Time { return start.Add(time.Duration(minutes) * time.Minute) }

func TestView(t *testing.T) {
	v := detached.NewView(manifest())
	for range 2 { // a second listing says the same
		v.Begin()
		for _, o := range []struct {
			key string
			at  int
		}{
			{"00000000/claim", 1}, {"00000000/failed.2-a-1", 2}, {"00000000/result", 2},
			{"00000001/claim", 1}, {"00000001/duplicate.b-1", 9}, {"00000001/failed.3-b-1", 8}, {"00000001/result", 7}, {"00000001/started.b-1", 5},
			{"00000002/args", 0}, {"00000002/claim", 3}, {"00000002/expired.3", 4}, {"00000002/started.c-1", 6},
			{"00000003/canceled.1", 5}, {"00000003/claim", 5}, {"00000003/result", 5},
			{"00000009/claim", 5}, {"x/claim", 5}, {"00000003/newer.mark", 5}, {"sent", 4},
		} {
			v.Add("runs/r/"+o.key, 11, at(o.at))
		}
		v.Add("runs/other/00000002/result", 1, at(1))
	}
	want := []detached.Chunk{
		{State: detached.Ended, Started: at(1), Last: at(1), Ended: at(2), Deliveries: 1, Failed: 2, Size: 11},
		{State: detached.Ended, Started: at(1), Last: at(5), Ended: at(7), Deliveries: 2, Duplicates: 1, Size: 11},
		{State: detached.Running, Started: at(3), Last: at(6), Deliveries: 2},
		{State: detached.Canceled, Started: at(5), Last: at(5), Ended: at(5), Deliveries: 1, Size: 11},
	}
	if diff := cmp.Diff(want, v.Chunks, cmpopts.IgnoreUnexported(detached.Chunk{})); diff != "" {
		t.Error(diff)
	}
	if !v.Sent.Equal(at(4)) || v.SentSize != 11 {
		t.Errorf("sent at %v, %d bytes", v.Sent, v.SentSize)
	}
}

func TestJudge(t *testing.T) {
	once := manifest()
	once.Once = true
	often := manifest()
	queued := detached.Chunk{}
	running := detached.Chunk{State: detached.Running, Last: at(10), Deliveries: 1}
	third := detached.Chunk{State: detached.Running, Last: at(10), Deliveries: 3}
	late := detached.Chunk{State: detached.Running, Last: at(60), Deliveries: 1}
	for _, tt := range []struct {
		name string
		m    *detached.Manifest
		c    detached.Chunk
		from time.Duration // since start, when it is first given up
		want detached.Verdict
	}{
		{"never begun", often, queued, time.Hour + 5*time.Second, detached.Late},
		{"died, must not run twice", once, running, 11*time.Minute + 15*time.Second, detached.Lost},
		{"died, may run again", often, running, 14*time.Minute + 15*time.Second, detached.Lost},
		{"died for the last time", often, third, 11*time.Minute + 15*time.Second, detached.Lost},
		{"died, too late for another", often, late, time.Hour + time.Minute + 15*time.Second, detached.Lost},
	} {
		if got := tt.m.Judge(&tt.c, start.Add(tt.from)); got != detached.Wait {
			t.Errorf("%s: %v too early", tt.name, got)
		}
		if got := tt.m.Judge(&tt.c, start.Add(tt.from+time.Second)); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
	if got := once.Judge(&detached.Chunk{State: detached.Ended}, at(6000)); got != detached.Wait {
		t.Errorf("ended: %v", got)
	}
}

// What moves is looked at often, what stands still seldom, and a slow listing seldom too.
func TestPoll(t *testing.T) {
	var p detached.Poll
	var pauses []time.Duration
	for range 15 {
		pauses = append(pauses, p.Next(false, 0))
	}
	if !slices.IsSorted(pauses) || pauses[0] != 250*time.Millisecond || pauses[14] != 15*time.Second {
		t.Errorf("%v", pauses)
	}
	for range 10 {
		p.Next(true, 0)
	}
	if got := p.Next(true, 0); got != 250*time.Millisecond {
		t.Errorf("%v while it moves", got)
	}
	if got := p.Next(true, 2*time.Second); got != 8*time.Second {
		t.Errorf("%v after a listing of 2s", got)
	}
}
