//go:build !linux && !darwin

package sandbox

import (
	"fmt"
	"os"
	"runtime"
	"syscall"
)

// Process groups and inherited pipes are what keeps agents from outliving
// their parent; without them New refuses.

type (
	Spawner struct{ spawnMethods }
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

// CanFreeze says that frozen agents end with this process.
const CanFreeze = false

func NewSpawner() (*Spawner, error) {
	return nil, fmt.Errorf("not available on %s, only on Linux and macOS (use backend/inproc)", runtime.GOOS)
}

func (spawnMethods) Close()                          {}
func (spawnMethods) start(command) (*process, error) { return nil, syscall.ENOSYS }
func (*process) kill()                               {}
func (*process) suspend()                            {}
func (*process) resume()                             {}
func (*process) killMember(int) bool                 { return false }
func (*process) wait() *os.ProcessState              { return nil }
func Unusable(error) bool                            { return true }
func thisExecutable(path string) string              { return path }

type Reaper struct{}

func StartReaper(string) (*Reaper, error) { return nil, syscall.ENOSYS }
func (*Reaper) Dismiss()                  {}
func LockForks()                          {}
func UnlockForks()                        {}
