package detached

import (
	"strconv"
	"strings"
	"time"

	"github.com/lambdapool/lambdapool/codec"
)

// A State is where a chunk, and so each of its calls, stands.
type State uint8

const (
	Queued   State = iota // sent, or about to be; no agent has begun it
	Running               // an agent has begun it, and has not recorded what became of it
	Ended                 // what became of it is recorded
	Expired               // of Ended: it was never delivered in time
	Canceled              // of Ended: it was canceled
)

// A Chunk is what a listing says of one chunk.
type Chunk struct {
	State      State
	Started    time.Time // the first delivery that ran
	Last       time.Time // the last delivery that ran
	Ended      time.Time // when the result was recorded
	Deliveries int       // that ran
	Duplicates int       // that did not, or whose result was not the first
	Failed     int       // items of the result that failed
	Size       int64     // bytes of the result

	mark State // what the result says, once it is there
}

// A View is what a listing, or several one after the other, say of a run.
type View struct {
	Manifest *Manifest
	Chunks   []Chunk
	Sent     time.Time // when the object was stored that says what was sent; zero: it is not there
	SentSize int64

	current    int             // the chunk that is being listed; -1: none
	duplicates map[string]bool // words of its deliveries whose results do not count
}

// NewView returns what is known of a run before anything is listed.
func NewView(m *Manifest) *View {
	return &View{Manifest: m, Chunks: make([]Chunk, m.Chunks()), current: -1, duplicates: map[string]bool{}}
}

// Begin starts a listing, from whatever chunk.
func (v *View) Begin() { v.current = -1 }

// FailedWord is that of a mark which says how many items of a result failed that is
// about to be recorded by whom word names.
func FailedWord(failed int, word string) string { return strconv.Itoa(failed) + "-" + word }

// Add takes in an object of the listing, which is in the order of keys.
func (v *View) Add(key string, size int64, modified time.Time) {
	rest, ok := strings.CutPrefix(key, RunPrefix(v.Manifest.ID))
	if !ok {
		return
	}
	if key == SentKey(v.Manifest.ID) {
		v.Sent, v.SentSize = modified, size
		return
	}
	chunk, name, word, ok := parse(rest)
	if !ok || chunk >= len(v.Chunks) {
		return // a newer version's, perhaps
	}
	if chunk != v.current {
		v.current = chunk
		v.Chunks[chunk] = Chunk{}
		clear(v.duplicates)
	}
	c := &v.Chunks[chunk]
	switch name {
	case Claim:
		c.begun(modified)
	case codec.MarkStarted:
		c.begun(modified)
	case codec.MarkDuplicate:
		c.Duplicates++
		v.duplicates[word] = true
	case codec.MarkFailed: // in the order of keys, duplicates come before
		failed, whose, _ := strings.Cut(word, "-")
		if n, err := strconv.Atoi(failed); err == nil && !v.duplicates[whose] {
			c.Failed = n
		}
	case MarkCanceled:
		c.mark = Canceled
	case MarkExpired:
		c.mark = Expired
	case Result: // in the order of keys, the marks come before
		c.State = max(Ended, c.mark)
		c.Ended, c.Size = modified, size
	}
}

func (c *Chunk) begun(at time.Time) {
	if c.State == Queued {
		c.State = Running
	}
	if c.Started.IsZero() || at.Before(c.Started) {
		c.Started = at
	}
	if at.After(c.Last) {
		c.Last = at
	}
	c.Deliveries++
}

// Over reports whether what became of the chunk is recorded.
func (c *Chunk) Over() bool { return !c.Ended.IsZero() }
