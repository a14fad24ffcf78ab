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

// A Chunk is what a listing says of one chunk. An agent that has no time for all of its items
// leaves a rest, which is sent again; the state is then that of the items that are left.
type Chunk struct {
	State      State
	Started    time.Time // the first delivery that ran
	Last       time.Time // the last delivery that ran
	Ended      time.Time // when the result was recorded
	Deliveries int       // that ran
	Duplicates int       // that did not, or whose result was not the first
	Failed     int       // items of the result that failed
	Size       int64     // bytes of the result
	Rests      int       // how often something was left
	Asked      time.Time // when the last rest was sent again; zero: it was not

	left, failedBefore int       // items in the last rest, as far as a mark says so; of the others, those that failed
	claimed            time.Time // the last claim
	turn               int       // its turn
	asked              int       // the turn that was sent again last
	before             int       // deliveries that ran in earlier turns

	mark State // what the result says, once it is there
}

// A View is what a listing, or several one after the other, say of a run. Call Begin before
// each. A chunk is then known anew from its first object on, so a later listing may begin at
// any chunk, and the others keep what was known. It is not safe for concurrent use.
type View struct {
	Manifest *Manifest
	Sent     time.Time // when the object was stored that says what was sent; zero: it is not there
	SentSize int64

	current    int             // the chunk that is being listed; -1: none
	duplicates map[string]bool // words of its deliveries whose results do not count

	pages []*[pageChunks]Chunk // nil: nothing is listed of any of these chunks
	none  Chunk                // what is known of those
}

// pageChunks is how many chunks are made room for at once. A manifest may claim ten million chunks:
// memory is taken for those of which there are objects.
const pageChunks = 64

// NewView returns what is known of a run before anything is listed.
func NewView(m *Manifest) *View {
	pages := (m.Chunks() + pageChunks - 1) / pageChunks
	return &View{Manifest: m, current: -1, duplicates: map[string]bool{}, pages: make([]*[pageChunks]Chunk, pages)}
}

// Len returns how many chunks the run has.
func (v *View) Len() int { return v.Manifest.Chunks() }

// Chunk returns what is known of a chunk, which the caller does not change.
func (v *View) Chunk(n int) *Chunk {
	if page := v.pages[n/pageChunks]; page != nil {
		return &page[n%pageChunks]
	}
	return &v.none
}

// listed returns a chunk of which there is an object.
func (v *View) listed(n int) *Chunk {
	page := &v.pages[n/pageChunks]
	if *page == nil {
		*page = new([pageChunks]Chunk)
	}
	return &(*page)[n%pageChunks]
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
	chunk, name, word, byAgent, ok := parse(rest)
	if !ok || chunk >= v.Len() {
		return // a newer version's, perhaps
	}
	if chunk != v.current {
		v.current = chunk
		*v.listed(chunk) = Chunk{}
		clear(v.duplicates)
	}
	c := v.listed(chunk)
	if (byAgent || v.Manifest.Version == looseMarks) && v.agentSays(c, name, word, modified) || byAgent {
		return
	}
	switch name {
	case Asked:
		if turn := turnIn(word); turn >= c.asked {
			c.asked, c.Asked = turn, modified
		}
	case Claim:
		c.turn = max(c.turn, turnIn(word))
		c.claimed, c.before = modified, c.Deliveries
		c.begun(modified)
	case Rest: // in the order of keys, claims come before
		if c.Rests = max(c.Rests, turnIn(word)); c.turn < c.Rests {
			c.State = Queued
		}
		if c.asked < c.Rests {
			c.Asked = time.Time{}
		}
	case codec.MarkFailed:
		c.Failed = failedIn(word)
	case MarkCanceled:
		c.mark = Canceled
	case MarkExpired:
		c.mark = Expired
	case Result: // in the order of keys, the marks come before
		c.State = max(Ended, c.mark)
		c.Ended, c.Size = modified, size
	}
}

// agentSays takes in a mark of an agent's, if it is one. It says nothing of a chunk that nobody
// has claimed.
func (v *View) agentSays(c *Chunk, name, word string, modified time.Time) bool {
	switch name {
	case codec.MarkStarted:
		if c.State != Queued {
			c.begun(modified)
		}
	case codec.MarkRest:
		left, rest, _ := strings.Cut(word, "-")
		if _, whose, _ := strings.Cut(rest, "-"); !v.duplicates[whose] {
			if n := failedIn(left); c.left == 0 || n < c.left {
				c.left = n
			}
			c.failedBefore += failedIn(rest)
		}
	case codec.MarkDuplicate:
		c.Duplicates++
		v.duplicates[word] = true
	case codec.MarkFailed: // in the order of keys, duplicates come before
		if _, whose, _ := strings.Cut(word, "-"); !v.duplicates[whose] {
			c.Failed = failedIn(word)
		}
	default:
		return false
	}
	return true
}

// failedIn returns how many items failed, as the word of a mark says it.
func failedIn(word string) int {
	failed, _, _ := strings.Cut(word, "-")
	n, err := strconv.Atoi(failed)
	if err != nil || n < 0 {
		return 0
	}
	return n
}

// turnIn returns the turn that the word of an object's name says; 0: the first.
func turnIn(word string) int { return failedIn(word) }

// Left returns how many of the chunk's items, so many in all, its State is about: those that no
// earlier agent has brought to an end. Of the others, so many failed.
func (c *Chunk) Left(items int) (left, failed int) {
	if c.Rests == 0 || c.left == 0 || c.left > items {
		return items, 0
	}
	return c.left, min(c.failedBefore, items-c.left)
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
	if at.Before(c.claimed) {
		c.before++
	}
}

// Over reports whether what became of the chunk is recorded.
func (c *Chunk) Over() bool { return !c.Ended.IsZero() }
