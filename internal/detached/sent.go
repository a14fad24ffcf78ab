package detached

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// ErrSending says that a run is there and not yet sent: its client is at it.
var ErrSending = errors.New("is being sent by another client")

// Sent says which chunks the platform has accepted. It is not safe for concurrent use.
type Sent struct {
	Ranges  [][2]int `json:"ranges"`            // of chunks, both ends included; ascending, apart from each other
	Done    bool     `json:"done"`              // all there are
	Stopped bool     `json:"stopped,omitempty"` // its client has given up, and says so
}

// Add notes a chunk.
func (s *Sent) Add(chunk int) {
	i, found := slices.BinarySearchFunc(s.Ranges, chunk, func(r [2]int, chunk int) int {
		switch {
		case r[1] < chunk:
			return -1
		case r[0] > chunk:
			return 1
		}
		return 0
	})
	if found {
		return
	}
	left := i > 0 && s.Ranges[i-1][1] == chunk-1
	right := i < len(s.Ranges) && s.Ranges[i][0] == chunk+1
	switch {
	case left && right:
		s.Ranges[i-1][1] = s.Ranges[i][1]
		s.Ranges = slices.Delete(s.Ranges, i, i+1)
	case left:
		s.Ranges[i-1][1] = chunk
	case right:
		s.Ranges[i][0] = chunk
	default:
		s.Ranges = slices.Insert(s.Ranges, i, [2]int{chunk, chunk})
	}
}

// Len returns how many chunks are noted.
func (s *Sent) Len() (n int) {
	for _, r := range s.Ranges {
		n += r[1] - r[0] + 1
	}
	return n
}

// Encode returns s as it is stored.
func (s *Sent) Encode() ([]byte, error) { return json.Marshal(s) }

// DecodeSent reads what Encode wrote for a run of so many chunks.
func DecodeSent(data []byte, chunks int) (*Sent, error) {
	s := new(Sent)
	if err := json.Unmarshal(data, s); err != nil {
		return nil, fmt.Errorf("what was sent is damaged: %w", err)
	}
	next := 0
	for _, r := range s.Ranges {
		if r[0] < next || r[1] < r[0] || r[1] >= chunks {
			return nil, fmt.Errorf("what was sent is damaged: chunks %d to %d of %d", r[0], r[1], chunks)
		}
		next = r[1] + 1
	}
	return s, nil
}
