//go:build !linux

// Package processes tells what processes took that others have started: agents, which nobody waits for.
package processes

import (
	"errors"
	"time"
)

// A Use is what processes took so far.
type Use struct {
	CPU  time.Duration // user and system
	Peak int64         // the largest resident size of one of them, in bytes
}

// Below is what the processes took that pid has started.
func Below(int) (Use, error) {
	return Use{}, errors.New("what agents take is only known on Linux")
}

// Peak is the largest resident size that a process had so far, in bytes; 0: it is not known.
func Peak(int) int64 { return 0 }
