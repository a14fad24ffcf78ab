package sandbox

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/lambdapool/lambdapool/backend/local/internal/logs"
	"github.com/lambdapool/lambdapool/backend/local/internal/wire"
	"github.com/lambdapool/lambdapool/internal/english"
)

// start begins a new environment.
func (p *Pool) start() (*Sandbox, error) {
	return p.launch(time.Now().UTC().Format("2006/01/02")+"/["+p.spec.Version+"]"+wire.RandomHex(16), nil)
}

// succeed starts the process of an environment that has ended once more, in its slot.
func (p *Pool) succeed(old *Sandbox) (*Sandbox, error) {
	s, err := p.launch(old.stream, old.logs.Cut())
	if err != nil {
		p.vacate()
	}
	return s, err
}

// launch starts an agent whose log goes to stream, with a tail that begins with head.
func (p *Pool) launch(stream string, head []byte) (*Sandbox, error) {
	s := &Sandbox{
		id:      wire.RandomHex(16),
		stream:  stream,
		pool:    p,
		started: time.Now(),
		work:    make(chan *Invocation),
		polled:  make(chan struct{}),
		failed:  make(chan struct{}),
		exited:  make(chan struct{}),
	}
	if !p.admit(s) {
		return nil, ErrClosed
	}
	dir := p.spec.taskRoot()
	proc, err := p.spawner.start(command{path: p.spec.Binary, dir: dir, env: p.spec.environment(s.id, s.stream, dir)})
	if err != nil {
		p.withdraw(s)
		return nil, err
	}
	mark := ""
	if p.spec.Named {
		mark = fmt.Sprintf("[agent %d] ", p.started.Add(1))
	}
	s.logs, err = logs.Collect(proc.output, logs.To{Out: p.spec.Output, Mark: mark, Sink: p.spec.recorder(s.stream), Head: head})
	if err != nil {
		proc.kill()
		proc.wait()
		p.withdraw(s)
		return nil, err
	}
	if n := p.spec.Layers; n > 0 && head == nil { // not of a successor, whose environment has said it
		s.logs.Say("lambdapool local: on Lambda /opt has the content of the function's " + english.Count(n, "layer") + ": here it has not, it is this machine's")
	}
	s.mu.Lock()
	s.proc = proc
	stopped := s.stopped != stopNone
	s.mu.Unlock()
	if stopped { // the pool was closed meanwhile
		proc.kill()
	}
	p.spec.Logger.Debug("agent started", slog.Int("pid", proc.pid))
	go s.logs.Follow()
	go s.ended()
	return s, nil
}

// recorder returns where the lines of one log stream go, nil for nowhere.
func (c *Spec) recorder(stream string) func([]byte) {
	if c.Record == nil {
		return nil
	}
	return func(line []byte) { c.Record(stream, line) }
}
