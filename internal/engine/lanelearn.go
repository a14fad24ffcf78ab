package engine

import (
	"time"

	"github.com/lambdapool/lambdapool/codec"
)

// observe learns from an answer what to put into the next chunks. e.mu is held.
func (l *Lane) observe(inv *invocation, reply *codec.Reply, received time.Time, bytes int) {
	begun, values := 0, 0
	for i := range reply.Items {
		item := &reply.Items[i]
		if item.Err != nil && item.Err.Kind == codec.KindNotBegun {
			continue
		}
		begun++
		values += len(item.Value)
	}
	if l.e.on.Payloads.Store == nil { // an agent counts what is in a reply before it is compressed
		bytes = max(bytes, values)
	}
	l.chunker.Observe(begun, received.Sub(inv.started), reply.Agent.Run, max(reply.Agent.Procs, l.Parallel), bytes)
}

// observeResults learns from an answer how large the next results may be. e.mu is held.
func (l *Lane) observeResults(reply *codec.Reply) {
	largest := 0
	for i := range reply.Items {
		item := &reply.Items[i]
		largest = max(largest, len(item.Value))
		if item.Err != nil && item.Err.Kind == codec.KindTooLarge {
			largest = max(largest, l.e.on.Limits.Response)
		}
	}
	l.chunker.ObserveResult(largest)
}
