package service

import (
	"sync"
	"time"
)

// A ScalingLaw is how fast a function may start environments. The zero value is none: at any time.
type ScalingLaw struct {
	Burst     int     // at once, in the beginning
	PerSecond float64 // and so many more, never saved up beyond Burst
}

// Starts returns what asks whether one more environment may start: a bucket that is full. It belongs to one function with all its
// versions, and is safe for concurrent use. Without a law it is nil.
func (l ScalingLaw) Starts() func() bool {
	if l.Burst == 0 {
		return nil
	}
	var mu sync.Mutex
	tokens, filled := float64(l.Burst), time.Time{}
	return func() bool {
		mu.Lock()
		defer mu.Unlock()
		now := time.Now()
		if !filled.IsZero() {
			tokens = min(tokens+l.PerSecond*now.Sub(filled).Seconds(), float64(l.Burst))
		}
		filled = now
		if tokens < 1 {
			return false
		}
		tokens--
		return true
	}
}
