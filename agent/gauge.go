package agent

import (
	"context"
	"sync"
)

// A gauge counts what is running and lets others wait for none.
type gauge struct {
	mu   sync.Mutex
	n    int
	none chan struct{} // closed when n gets to 0; nil when nobody waits
}

// add counts one more. Every add has its done.
func (g *gauge) add() {
	g.mu.Lock()
	g.n++
	g.mu.Unlock()
}

// done counts one less, and wakes those who wait if it was the last.
func (g *gauge) done() {
	g.mu.Lock()
	g.n--
	if g.n == 0 && g.none != nil {
		close(g.none)
		g.none = nil
	}
	g.mu.Unlock()
}

// wait returns 0 as soon as nothing runs, or how many do when ctx ends.
func (g *gauge) wait(ctx context.Context) int {
	for {
		g.mu.Lock()
		n := g.n
		if n > 0 && g.none == nil {
			g.none = make(chan struct{})
		}
		none := g.none
		g.mu.Unlock()
		if n == 0 || ctx.Err() != nil {
			return n
		}
		select {
		case <-none:
		case <-ctx.Done():
		}
	}
}
