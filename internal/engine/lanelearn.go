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
	total, procs := received.Sub(inv.started), max(reply.Agent.Procs, l.Parallel)
	if inv.cold {
		l.chunker.ObserveCold(begun, total, reply.Agent.Init, reply.Agent.Run, procs, bytes)
	} else {
		l.chunker.Observe(begun, total, reply.Agent.Run, procs, bytes)
	}
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
