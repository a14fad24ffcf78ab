//go:build !linux && !darwin

package local_test

import (
	"errors"
	"os"
)

// There are no agents on these systems: New says so. What the tests do to agents need only compile.

func kill(pid int) error {
	p, err := os.FindProcess(pid)
	if err != nil {
		return err
	}
	return p.Kill()
}

func freeze(int) error { return errors.ErrUnsupported }

func alive(int) bool { return false }

func exists(int) bool { return false }
