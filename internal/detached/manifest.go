package detached

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/lambdapool/lambdapool/codec"
	"github.com/lambdapool/lambdapool/internal/legible"
)

// version of the manifest and of everything that is stored beside it. What has an older one
// is read: the agents of the first have their marks not in a folder of their own.
const (
	version    = 3
	looseMarks = 1
)

// What a run can have at most: whoever looks at one keeps a little of each chunk in memory.
const (
	MaxChunks = 10_000_000
	MaxCalls  = 1_000_000_000
)

// A Manifest says what a run is. It is written once, before anything is sent, and never
// changed: whoever finds it can follow the run without the program that began it. All times are
// the store's.
type Manifest struct {
	Version     int       `json:"version"`
	ID          string    `json:"id"`
	Func        string    `json:"func"`        // the registered name
	Shape       string    `json:"shape"`       // for people
	Signature   string    `json:"signature"`   // with struct types written out
	Fingerprint uint64    `json:"fingerprint"` // of name and signature
	Input       string    `json:"input"`       // a hash of all encoded arguments
	Items       int       `json:"items"`       // calls
	Chunk       int       `json:"chunk"`       // calls per invocation, at most
	Once        bool      `json:"once"`        // the function is not idempotent
	Created     time.Time `json:"created"`
	StartBy     time.Time `json:"start_by"`            // what has not begun then never will
	RecordBy    time.Time `json:"record_by"`           // what is not recorded then never will be
	KeepUntil   time.Time `json:"keep_until"`          // when it may be deleted
	Timeout     Duration  `json:"timeout"`             // of one invocation
	Retries     int       `json:"retries"`             // by the platform, after a crash
	RetryOf     string    `json:"retry_of,omitempty"`  // the run whose failed calls it has
	Positions   []Range   `json:"positions,omitempty"` // of these in that run
}

// A Duration is a time.Duration that JSON has as text.
type Duration time.Duration

// MarshalText writes "1m30s".
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText reads what MarshalText writes.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	*d = Duration(v)
	return err
}

// Chunks returns how many chunks the run has.
func (m *Manifest) Chunks() int { return (m.Items + m.Chunk - 1) / m.Chunk }

// Span returns the items of a chunk: from first up to before end.
func (m *Manifest) Span(chunk int) (first, end int) {
	first = chunk * m.Chunk
	return first, min(first+m.Chunk, m.Items)
}

// Position returns where call i of the run is in the run that it retries, or i if it retries none.
func (m *Manifest) Position(i int) int {
	if m.RetryOf == "" {
		return i
	}
	return At(m.Positions, i)
}

// Encode returns the manifest as it is stored.
func (m *Manifest) Encode() ([]byte, error) {
	m.Version = version
	return json.MarshalIndent(m, "", "  ")
}

// ErrNewer says that what is stored was written by a later version of this project.
var ErrNewer = errors.New("it was made by a newer version of lambdapool")

// DecodeManifest reads what Encode wrote for the run id.
func DecodeManifest(data []byte, id string) (*Manifest, error) {
	m := new(Manifest)
	if err := json.Unmarshal(data, m); err != nil {
		return nil, fmt.Errorf("the manifest is damaged: %w", err)
	}
	switch {
	case strings.ContainsFunc(m.Func+m.Shape+m.Signature, func(r rune) bool { return !legible.Shown(r) }): // somebody will print them
		return nil, errors.New("the manifest is damaged: it has characters that cannot be shown")
	case m.Version > version:
		return nil, fmt.Errorf("the manifest has version %d: %w", m.Version, ErrNewer)
	case m.Version < looseMarks, m.ID != id, m.Items < 0, m.Items > MaxCalls, m.Chunk < 1, m.Chunk > codec.MaxItems, m.Chunks() > MaxChunks, m.Timeout <= 0:
		return nil, errors.New("the manifest is damaged: it contradicts itself")
	}
	return m, nil
}
