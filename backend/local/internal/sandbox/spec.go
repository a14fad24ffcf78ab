package sandbox

import (
	"log/slog"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/lambdapool/lambdapool/backend/local/internal/faults"
	"github.com/lambdapool/lambdapool/backend/local/internal/logs"
)

// A Spec is what the environments of a function are made of. It does not change.
// All fields are needed that do not say otherwise.
type Spec struct {
	Binary    string // absolute path of the program; empty: this executable
	Region    string
	Name      string
	Version   string
	LogGroup  string            // empty: the one named after the function
	Memory    int               // MB
	Env       map[string]string // what the user adds to the environment
	Layers    int               // how many have nothing in /opt here
	Isolation bool              // agents are supervisor and worker

	Most        int           // environments at once
	Starts      func() bool   // whether one more may start now, which counts if it says yes; nil: any time
	Timeout     time.Duration // of an invocation
	InitTimeout time.Duration // of an agent's start
	IdleTimeout time.Duration // after which an environment without work ends
	Freeze      bool          // one without work

	Address     string          // host:port of all APIs, the Runtime API's too
	Credentials aws.Credentials // of the agents
	Build       func() string   // names what the next agent runs; empty: it need not know

	Output *logs.Output                     // gets what agents print
	Named  bool                             // its lines say which agent they are of, and are escaped
	Record func(stream string, line []byte) // if any, gets every line of the log, the platform's own too
	Logger *slog.Logger
	Faults *faults.Faults // nil: none
}

// mainHint is for agents that end, or hang, before they ask for work.
func (c *Spec) mainHint() string {
	if c.Binary != "" {
		return ""
	}
	return " (the agent is this same program: agent.Main() must be the first line of its main, or of TestMain in a test)"
}
