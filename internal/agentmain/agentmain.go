// Package agentmain remembers whether this process called agent.Main, for those
// who must know it but not link what an agent does.
package agentmain

import "sync/atomic"

var called atomic.Bool

// Call records that agent.Main was called.
func Call() { called.Store(true) }

// Called reports whether agent.Main was called in this process.
func Called() bool { return called.Load() }
