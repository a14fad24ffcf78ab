package detached_test

import (
	"errors"
	"math/rand/v2"
	"runtime"
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
	newer := strings.Replace(string(data), `"version": 3`, `"version": 4`, 1)
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
			{"00000000/claim", 1}, {"00000000/marks/failed.2-a-1", 2}, {"00000000/result", 2},
			{"00000001/claim", 1}, {"00000001/marks/canceled.3", 9}, {"00000001/marks/duplicate.b-1", 9}, {"00000001/marks/failed.3-b-1", 8}, {"00000001/marks/result", 1}, {"00000001/marks/started.b-1", 5}, {"00000001/result", 7},
			{"00000002/args", 0}, {"00000002/claim", 3}, {"00000002/expired.3", 4}, {"00000002/marks/started.c-1", 6}, {"00000002/started.c-1", 8},
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
	if diff := cmp.Diff(want, chunks(v), cmpopts.IgnoreUnexported(detached.Chunk{})); diff != "" {
		t.Error(diff)
	}
	if !v.Sent.Equal(at(4)) || v.SentSize != 11 {
		t.Errorf("sent at %v, %d bytes", v.Sent, v.SentSize)
	}
}

// What an agent leaves is queued again until the next one claims it; what it has ended stays ended, whatever becomes
// of the rest.
func TestRests(t *testing.T) {
	for name, tt := range map[string]struct {
		keys         []string
		state        detached.State
		rests        int
		left, failed int
		lost         bool // some time later
	}{
		"left":           {[]string{"claim", "marks/rest.2-1-a-1", "rest.1"}, detached.Queued, 1, 2, 1, false},
		"asked for":      {[]string{"asked.1", "claim", "marks/rest.2-1-a-1", "rest.1"}, detached.Queued, 1, 2, 1, false},
		"begun again":    {[]string{"claim", "claim.1", "marks/rest.2-1-a-1", "rest.1"}, detached.Running, 1, 2, 1, true},
		"left again":     {[]string{"claim", "claim.1", "marks/rest.1-0-b-1", "marks/rest.2-1-a-1", "rest.1", "rest.2"}, detached.Queued, 2, 1, 1, false},
		"ended":          {[]string{"claim", "claim.1", "marks/failed.1-b-1", "marks/rest.2-0-a-1", "rest.1", "result"}, detached.Ended, 1, 2, 0, false},
		"expired":        {[]string{"claim", "claim.1", "expired.2", "marks/rest.2-0-a-1", "rest.1", "result"}, detached.Expired, 1, 2, 0, false},
		"left too late":  {[]string{"claim", "marks/duplicate.a-1", "marks/rest.2-1-a-1", "result"}, detached.Ended, 0, 3, 0, false},
		"without a mark": {[]string{"claim", "rest.1"}, detached.Queued, 1, 3, 0, false},
		"nonsense":       {[]string{"claim", "marks/rest.99-99-a-1", "marks/rest.x", "rest.1"}, detached.Queued, 1, 3, 0, false},
	} {
		m := manifest()
		m.Once = true
		v := detached.NewView(m)
		for i, key := range tt.keys {
			v.Add(detached.ChunkKey("r", 0, key), 5, at(i))
		}
		c := v.Chunk(0)
		if left, failed := c.Left(3); c.State != tt.state || c.Rests != tt.rests || left != tt.left || failed != tt.failed {
			t.Errorf("%s: %+v, %d left, %d failed", name, c, left, failed)
		}
		if asked := slices.Contains(tt.keys, "asked.1"); asked == c.Asked.IsZero() {
			t.Errorf("%s: asked at %v", name, c.Asked)
		}
		if lost := m.Judge(c, start.Add(30*time.Minute)) == detached.Lost; lost != tt.lost {
			t.Errorf("%s: lost %v", name, lost)
		}
	}
}

// What a client has recorded counts; what an agent says of a chunk that nobody has claimed does
// not, and what it says in a client's words neither.
func TestMarksOfAgents(t *testing.T) {
	for name, tt := range map[string]struct {
		keys []string
		want detached.Chunk
	}{
		"nobody claimed it": {[]string{"marks/started.a-1"}, detached.Chunk{}},
		"a client's words":  {[]string{"claim", "marks/canceled.3", "marks/expired.3", "result"}, detached.Chunk{State: detached.Ended, Started: at(1), Last: at(1), Ended: at(1), Deliveries: 1, Size: 5}},
		"a client's mark":   {[]string{"claim", "failed.3-c", "result"}, detached.Chunk{State: detached.Ended, Started: at(1), Last: at(1), Ended: at(1), Deliveries: 1, Failed: 3, Size: 5}},
		"no number":         {[]string{"claim", "marks/failed.-3-a-1", "marks/failed.x"}, detached.Chunk{State: detached.Running, Started: at(1), Last: at(1), Deliveries: 1}},
		"deeper":            {[]string{"claim", "marks/marks/started.a-1", "marks/claim"}, detached.Chunk{State: detached.Running, Started: at(1), Last: at(1), Deliveries: 1}},
	} {
		v := detached.NewView(manifest())
		for _, key := range tt.keys {
			v.Add(detached.ChunkKey("r", 0, key), 5, at(1))
		}
		if diff := cmp.Diff(tt.want, *v.Chunk(0), cmpopts.IgnoreUnexported(detached.Chunk{})); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// A run of an earlier version is read as it was written.
func TestMarksOfVersion1(t *testing.T) {
	m := manifest()
	data, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	old, err := detached.DecodeManifest([]byte(strings.Replace(string(data), `"version": 3`, `"version": 1`, 1)), "r")
	if err != nil {
		t.Fatal(err)
	}
	v := detached.NewView(old)
	for _, o := range []struct {
		key string
		at  int
	}{{"claim", 1}, {"duplicate.b-1", 9}, {"failed.2-a-1", 8}, {"failed.3-b-1", 8}, {"result", 7}, {"started.b-1", 5}} {
		v.Add(detached.ChunkKey("r", 1, o.key), 11, at(o.at))
	}
	want := detached.Chunk{State: detached.Ended, Started: at(1), Last: at(5), Ended: at(7), Deliveries: 2, Duplicates: 1, Failed: 2, Size: 11}
	if diff := cmp.Diff(want, *v.Chunk(1), cmpopts.IgnoreUnexported(detached.Chunk{})); diff != "" {
		t.Error(diff)
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

// chunks returns what is known of all.
func chunks(v *detached.View) (all []detached.Chunk) {
	for n := range v.Len() {
		all = append(all, *v.Chunk(n))
	}
	return all
}

// What a manifest claims costs nothing until there are objects.
func TestAViewTakesMemoryForWhatIsThere(t *testing.T) {
	m := manifest()
	m.Items, m.Chunk = detached.MaxCalls, detached.MaxCalls/detached.MaxChunks
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	v := detached.NewView(m)
	v.Begin()
	for _, n := range []int{0, 7_000_000, detached.MaxChunks - 1} {
		v.Add(detached.ChunkKey(m.ID, n, detached.Claim), 1, m.Created)
	}
	runtime.ReadMemStats(&after)
	if v.Len() != detached.MaxChunks || v.Chunk(7_000_000).State != detached.Running || v.Chunk(7_000_001).State != detached.Queued {
		t.Errorf("%d chunks, %+v, %+v", v.Len(), v.Chunk(7_000_000), v.Chunk(7_000_001))
	}
	if took := after.TotalAlloc - before.TotalAlloc; took > 4<<20 {
		t.Errorf("%d bytes for three objects", took)
	}
}
