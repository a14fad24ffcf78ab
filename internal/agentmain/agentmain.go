// Package agentmain is what those who start agents share with package agent, but for
// what an agent does: most of them must not link that.
package agentmain

import "sync/atomic"

// BuildVariable is the environment variable that tells an agent which build it is: the
// hash of its executable, or the commit that it was built from. Whoever starts it sets it, because an agent that read all
// of its own executable would pay for that on Lambda in every cold start.
const BuildVariable = "LAMBDAPOOL_BUILD"

var called atomic.Bool

// Call records that agent.Main was called.
func Call() { called.Store(true) }

// Called reports whether agent.Main was called in this process.
func Called() bool { return called.Load() }
