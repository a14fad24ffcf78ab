//go:build !linux && !darwin

package local

import (
	"fmt"
	"os"
	"runtime"
	"syscall"
)

// Process groups and inherited pipes are what keeps agents from outliving
// their parent; without them New refuses.

type (
	spawner struct{ spawnMethods }
	process struct {
		pid    int
		output *os.File
	}
	command struct {
		path, dir string
		env       []string
	}
	spawnMethods struct{}
)

func newSpawner() (*spawner, error) {
	return nil, fmt.Errorf("not available on %s, only on Linux and macOS (use backend/inproc)", runtime.GOOS)
}

func (spawnMethods) close()                          {}
func (spawnMethods) start(command) (*process, error) { return nil, syscall.ENOSYS }
func (*process) kill()                               {}
func (*process) wait() *os.ProcessState              { return nil }
func unusable(error) bool                            { return true }

type pipe struct{}

func newPipe(*os.File, func([]byte)) (*pipe, error) { return nil, syscall.ENOSYS }
func (*pipe) follow()                               {}
func (*pipe) drain()                                {}
func (*pipe) close()                                {}

type reaper struct{}

func startReaper(string) (*reaper, error) { return nil, syscall.ENOSYS }
func (*reaper) dismiss()                  {}
func lockForks()                          {}
func unlockForks()                        {}
