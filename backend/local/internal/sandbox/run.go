package sandbox

import "log/slog"

// Run runs the invocation in an environment that Acquire returned, and takes that back. It
// blocks until the invocation is over, and says no when it has not begun: the environment had
// ended while it was idle. An error is why no environment could be started in place of one
// whose init took too long.
func (p *Pool) Run(s *Sandbox, inv *Invocation) (_ Result, begun bool, _ error) {
	inv.done = make(chan struct{})
	res, how := s.run(inv)
	if how == runAgain {
		p.spec.Logger.Warn("agent asked for no invocation in time; started again within the function's timeout"+p.spec.mainHint(),
			slog.Duration("limit", p.spec.InitTimeout))
		again, err := p.succeed(s)
		if err != nil {
			return Result{}, true, err
		}
		s, res = again, again.runWithInit(inv)
	}
	p.release(s)
	return res, how != runGone, nil
}
