package failure

import "github.com/lambdapool/lambdapool/codec"

// A Function is what the user's function returned as its error, or panicked with, as the agent has sent it.
type Function struct { //nolint:errname // an error of the rooms below the root only, and no program's
	Wire      *codec.Error
	RequestID string // the platform's id of the invocation
	LogTail   string // what it had logged, as far as that came back
	Public    error  // what programs see of it, once the root has made that; one goroutine has the failure at a time
}

// Error is what the function said, as it came: programs see it made legible.
func (f *Function) Error() string { return f.Wire.Message }
