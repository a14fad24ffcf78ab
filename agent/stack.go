package agent

import (
	"fmt"
	"runtime"
	"strings"
)

// A stack's bounds keep one panic from taking the room of other items' values in a reply.
const (
	maxFrames     = 64       // of a panic's stack, innermost first
	maxStackBytes = 16 << 10 // of its text
)

// These stand between the agent's goroutine and a user's function: see isPlumbing. A package that
// comes in between is to be added here, else every panic shows its frames.
const (
	rootPackage     = "github.com/lambdapool/lambdapool."
	agentPackage    = "github.com/lambdapool/lambdapool/agent."
	driverPackage   = "github.com/lambdapool/lambdapool/driver."
	registryPackage = "github.com/lambdapool/lambdapool/internal/registry."
	// Where functions run on the goroutine of who invokes the agent.
	inprocPackage  = "github.com/lambdapool/lambdapool/backend/inproc."
	containPackage = "github.com/lambdapool/lambdapool/internal/contain."
	enginePackage  = "github.com/lambdapool/lambdapool/internal/engine."
)

// panicStack describes where a panic came from: the user's frames, innermost
// first, in the form of Go's own traces. Call it from the deferred function
// that recovers, while the frames are still there.
func panicStack() string {
	var frames []runtime.Frame
	pcs := make([]uintptr, 2*maxFrames)
	next := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs)])
	for {
		frame, more := next.Next()
		frames = append(frames, frame)
		if !more {
			break
		}
	}
	return formatFrames(userFrames(frames))
}

// userFrames drops what is above the panic (the deferred function), the
// runtime's machinery and, below the user's function, what called it.
func userFrames(frames []runtime.Frame) []runtime.Frame {
	for i, f := range frames {
		if f.Function == "runtime.gopanic" {
			frames = frames[i+1:]
			break
		}
	}
	for len(frames) > 0 && isPlumbing(frames[len(frames)-1].Function) {
		frames = frames[:len(frames)-1]
	}
	kept := frames[:0:0]
	for _, f := range frames {
		if !strings.HasPrefix(f.Function, "runtime.") {
			kept = append(kept, f)
		}
	}
	return kept
}

// isPlumbing reports whether a function stands between the agent's goroutine
// and the user's function.
func isPlumbing(function string) bool {
	for _, prefix := range []string{"runtime.", "reflect.", rootPackage, agentPackage, driverPackage, registryPackage, inprocPackage, containPackage, enginePackage} {
		if strings.HasPrefix(function, prefix) {
			return true
		}
	}
	return false
}

// formatFrames prints frames as Go's own traces do: the function, then file and line below it. What
// is longer than maxFrames or maxStackBytes is cut off at the far end, which matters least.
func formatFrames(frames []runtime.Frame) string {
	var b strings.Builder
	for i, f := range frames {
		if i == maxFrames || b.Len() > maxStackBytes {
			b.WriteString("… (deeper frames left out)\n")
			break
		}
		fmt.Fprintf(&b, "%s\n\t%s:%d\n", f.Function, f.File, f.Line)
	}
	return strings.TrimSuffix(b.String(), "\n")
}
