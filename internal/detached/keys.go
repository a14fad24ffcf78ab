// Package detached is what a detached run looks like in an object store, and what
// that says of its calls. It stores and fetches nothing, and reads no clock.
//
// A run is sent in chunks, each of which is one invocation. Its objects are
//
//	index/ID                     the manifest: there is a run
//	runs/ID/sent                 which chunks the platform has accepted
//	runs/ID/input/0000000000     the arguments from call 0 on, for who sends again what has failed
//	runs/ID/00000007/args        the arguments of chunk 7, where an event has no room for them
//	runs/ID/00000007/claim       somebody has begun it; created once
//	runs/ID/00000007/result      what became of it; created once
//	runs/ID/00000007/rest.1      what its agent has done, and what it had no time to begin; created once
//	runs/ID/00000007/asked.1     a client is about to have the platform queue what is left
//	runs/ID/00000007/claim.1     somebody has begun what was left; created once. And so on: rest.2, claim.2
//	runs/ID/00000007/MARK.WORD   what a client says of the chunk
//	runs/ID/00000007/marks/MARK.WORD
//	                             what its agents say besides
//	runs/ID/pieces/NAME          what its functions have stored for the run that goes on with it, as package
//	                             mapreduce's do: it comes after all chunks, and is deleted with the run
//
// so that an agent, which is given a form for marks/ of its chunk and a link to create each of
// the others, can neither touch another chunk nor change what it has recorded itself; that
// listing them in order is listing the chunks in order, and what is created
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
	Rest   = "rest"
	Asked  = "asked"
)

// The marks that clients leave, besides [codec.MarkFailed]; those of agents are in package codec.
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

// InputPrefix is what the keys of a run's arguments begin with: the position of the first call follows.
func InputPrefix(id string) string { return RunPrefix(id) + "input/" }

// InputKey is where the arguments of calls are, from one on.
func InputKey(id string, first int) string { return fmt.Sprintf("%s%010d", InputPrefix(id), first) }

// ChunkKey is where an object or a mark of a chunk is.
func ChunkKey(id string, chunk int, name string) string { return ChunkPrefix(id, chunk) + "/" + name }

// TurnName is that of an object of which each turn of a chunk has one: of the first turn it is
// called by its bare name.
func TurnName(name string, turn int) string {
	if turn == 0 {
		return name
	}
	return name + "." + strconv.Itoa(turn)
}

// ChunkPrefix is before all keys of a chunk, and after those of the chunks before it.
func ChunkPrefix(id string, chunk int) string {
	return RunPrefix(id) + ChunkName(chunk)
}

// marks is where the marks of a chunk's agents are, and nothing else: they come before the result.
const marks = "marks/"

// MarksPrefix is before the marks of a chunk's agents, and before nothing else.
func MarksPrefix(id string, chunk int) string { return ChunkKey(id, chunk, marks) }

// PiecesPrefix is before what the functions of a run store for others, and before nothing else.
func PiecesPrefix(id string) string { return RunPrefix(id) + "pieces/" }

// ChunkName is how keys name a chunk.
func ChunkName(chunk int) string { return fmt.Sprintf("%0*d", chunkDigits, chunk) }

// parse returns which object of which chunk is at key, of the keys below RunPrefix. byAgent: it
// is a mark of an agent's.
func parse(key string) (chunk int, name, word string, byAgent, ok bool) {
	digits, rest, ok := strings.Cut(key, "/")
	if !ok || len(digits) != chunkDigits {
		return 0, "", "", false, false
	}
	chunk, err := strconv.Atoi(digits)
	if err != nil || chunk < 0 {
		return 0, "", "", false, false
	}
	rest, byAgent = strings.CutPrefix(rest, marks)
	name, word, _ = strings.Cut(rest, ".")
	return chunk, name, word, byAgent, true
}
