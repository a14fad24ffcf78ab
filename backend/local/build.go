package local

import (
	"sync"

	"github.com/lambdapool/lambdapool/backend/local/internal/sandbox"
)

// A program is the executable that agents run.
type program struct {
	path  string        // empty: this executable
	first func() string // names the build that it was when it was looked at first
}

// lookAt has the program read meanwhile, about a millisecond for each megabyte, once. It is
// called before there are agents.
func lookAt(path string) *program {
	p := &program{path: path}
	p.first = sync.OnceValue(p.now)
	go p.first()
	return p
}

func (p *program) now() string { return sandbox.Build(p.path) }

// next names the build that the next agent runs, once the first is known.
func (p *program) next() string {
	p.first()
	return p.now()
}

// Build names the build of the program that agents should be, by the start of the
// SHA-256 of the executable that was there when [New] returned. It is empty for one that
// cannot be read. An executor that gets a reply from an agent of another build, because
// somebody replaced the file meanwhile, logs a warning. On Linux a program that is its
// own agent runs on from the file that it was started from, and is always the same
// build. The first call may block until the file is read, which takes milliseconds.
func (b *Backend) Build() string { return b.program.first() }
