//go:build unix

package agent

import (
	"log"
	"os"
	"syscall"
)

// canBeginAnew says that a process can be made another one of the same program.
const canBeginAnew = true

// beginAnew makes this process another one of the same program: all that functions have left behind is gone, and the
// platform sees no process end. An exit between the answer and the wish for another request would count against the
// request that was answered. It does not return.
func beginAnew() {
	program, err := os.Executable()
	if err == nil {
		err = syscall.Exec(program, os.Args, os.Environ()) //nolint:gosec // this very program
	}
	log.Fatalf("lambdapool: agent: begin anew: %v", err)
}
