package sandbox

import (
	"time"

	"github.com/lambdapool/lambdapool/backend/local/internal/faults"
	"github.com/lambdapool/lambdapool/backend/local/internal/wire"
)

// An Invocation is one run of the function, on its way through a sandbox.
type Invocation struct {
	ID            string
	ARN           string // as invoked, with the qualifier
	Version       string // executed
	ClientContext string // JSON
	TraceID       string
	Payload       []byte
	Fate          *faults.Fate // nil: nothing befalls it

	// Set and read under the sandbox's lock once it is delivered.
	deadline time.Time
	began    time.Time
	answered bool
	reply    []byte
	errType  string        // of a function error
	done     chan struct{} // closed when the runtime asks for more
}

// finished says that the runtime has asked for more.
func (inv *Invocation) finished() bool {
	select {
	case <-inv.done:
		return true
	default:
		return false
	}
}

// A Result is how an invocation ended, as far as the caller is concerned.
type Result struct {
	Payload []byte
	ErrType string // of a function error; empty: success
	Log     []byte
	Refused *wire.Refusal // nothing of the above: the service itself answers
}

// Again returns the invocation as it was when it was accepted: a run leaves its marks.
func (inv *Invocation) Again() *Invocation {
	return &Invocation{
		ID: inv.ID, ARN: inv.ARN, Version: inv.Version, ClientContext: inv.ClientContext, TraceID: inv.TraceID,
		Payload: inv.Payload, Fate: inv.Fate,
	}
}
