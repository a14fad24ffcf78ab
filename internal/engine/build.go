package engine

import (
	"sync"

	"github.com/lambdapool/lambdapool/internal/agentmain"
	"github.com/lambdapool/lambdapool/internal/contain"
)

// A buildCheck tells whether agents are the build of the program that they should be.
// Shapes are compared with every call, but a body that changed shows in nothing else.
type buildCheck struct {
	asked  func() string // the backend, once; empty: it does not know
	warned sync.Once
}

// shownBuild is how much of an agent's word is logged: a hash or a commit, not whatever it sent.
const shownBuild = 160

// askBuild asks the backend which build its agents should be.
func (e *Executor) askBuild() string {
	b, ok := e.on.Backend.(interface{ Build() string })
	if !ok {
		return ""
	}
	build, err := contain.Value(contain.Ended, "Build", b, func() (string, error) { return b.Build(), nil })
	if e.Complain("", err) != nil {
		return ""
	}
	return build
}

// compareBuild warns of the first agent that is another build than it should be.
func (e *Executor) compareBuild(agent string) {
	if agent == "" {
		return
	}
	want := e.builds.asked()
	if !agentmain.Differ(want, agent) {
		return
	}
	e.builds.warned.Do(func() {
		e.on.Logger.Warn("lambdapool: an agent runs another build of the program than it should: functions of the same signature may do something else there",
			"agent", agent[:min(len(agent), shownBuild)], "want", want,
			"hint", "start this program again, or deploy the agent again; awslambda.WithAutoDeploy brings the client's own build")
	})
}
