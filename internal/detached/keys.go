// Package detached is what a detached run looks like in an object store, and what
// that says of its calls. It stores and fetches nothing, and reads no clock.
//
// A run is sent in chunks, each of which is one invocation. Its objects are
//
//	index/ID                     the manifest: there is a run
//	runs/ID/sent                 which chunks the platform has accepted
//	runs/ID/00000007/args        the arguments of chunk 7, where an event has no room for them
//	runs/ID/00000007/claim       somebody has begun it; created once
//	runs/ID/00000007/result      what became of it; created once
//	runs/ID/00000007/MARK.WORD   whatever else is to be known
//
// so that listing them in order is listing the chunks in order, and what is created
// once decides: of several deliveries, of an agent and somebody who cancels, of a
// late agent and somebody who has given it up.
package detached

import (
	"fmt"
	"strconv"
	"strings"
)

const (
	indexPrefix = "index/"
	runsPrefix  = "runs/"
	chunkDigits = 8
)

// The objects of a chunk.
const (
	Args   = "args"
	Claim  = "claim"
	Result = "result"
)

// The marks that clients leave; those of agents are in package codec.
const (
	MarkCanceled = "canceled" // the recorded result is that the chunk was canceled
	MarkExpired  = "expired"  // the recorded result is that the chunk was never delivered in time
)

// MaxID is the longest name of a run, in bytes.
const MaxID = 128

// CheckID returns why id cannot name a run, or nil.
func CheckID(id string) error {
	strange := func(r rune) bool {
		return r != '-' && r != '_' && r != '.' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	}
	switch {
	case id == "":
		return fmt.Errorf("the name is empty")
	case len(id) > MaxID:
		return fmt.Errorf("the name has %d bytes, at most %d are allowed", len(id), MaxID)
	case strings.ContainsFunc(id, strange):
		return fmt.Errorf("the name %q has other characters than letters, digits, '-', '_' and '.'", id)
	case strings.Trim(id, ".") == "":
		return fmt.Errorf("the name %q has only dots", id)
	}
	return nil
}

// IndexPrefix is what the keys of all manifests begin with.
func IndexPrefix() string { return indexPrefix }

// IndexKey is where the manifest of a run is.
func IndexKey(id string) string { return indexPrefix + id }

// IndexID returns the run whose manifest is at key.
func IndexID(key string) (id string, ok bool) {
	id, ok = strings.CutPrefix(key, indexPrefix)
	return id, ok && CheckID(id) == nil
}

// RunPrefix is what all other keys of a run begin with.
func RunPrefix(id string) string { return runsPrefix + id + "/" }

// SentKey is where a run says what was sent.
func SentKey(id string) string { return RunPrefix(id) + "sent" }

// ChunkKey is where an object or a mark of a chunk is.
func ChunkKey(id string, chunk int, name string) string { return ChunkPrefix(id, chunk) + "/" + name }

// ChunkPrefix is before all keys of a chunk, and after those of the chunks before it.
func ChunkPrefix(id string, chunk int) string {
	return RunPrefix(id) + ChunkName(chunk)
}

// ChunkName is how keys name a chunk.
func ChunkName(chunk int) string { return fmt.Sprintf("%0*d", chunkDigits, chunk) }

// parse returns which object of which chunk is at key, of the keys below RunPrefix.
func parse(key string) (chunk int, name, word string, ok bool) {
	digits, rest, ok := strings.Cut(key, "/")
	if !ok || len(digits) != chunkDigits {
		return 0, "", "", false
	}
	chunk, err := strconv.Atoi(digits)
	if err != nil || chunk < 0 {
		return 0, "", "", false
	}
	name, word, _ = strings.Cut(rest, ".")
	return chunk, name, word, true
}
