package deploy

import (
	"errors"
	"fmt"
	"strings"

	"github.com/aws/smithy-go"
)

// What errors.Is finds in the errors of this package, besides the sentinels of
// lambdapool where an agent was called.
var (
	// ErrInvalid: a value was refused before anything was sent.
	ErrInvalid = errors.New("invalid")
	// ErrNotAgent: the package, or what answers, is no lambdapool agent.
	ErrNotAgent = errors.New("not a lambdapool agent")
	// ErrExists: there is a function, or a role, of that name already.
	ErrExists = errors.New("exists already")
	// ErrNotFound: there is no such function, version, role or log group.
	ErrNotFound = errors.New("not found")
	// ErrForeign: lambdapool did not make it, and leaves it alone.
	ErrForeign = errors.New("not made by lambdapool")
	// ErrChanged: somebody else changed the function meanwhile.
	ErrChanged = errors.New("changed by someone else meanwhile")
	// ErrNotReady: what was waited for did not come in time, or ended in failure.
	ErrNotReady = errors.New("not ready")
	// ErrSmoke: the function is deployed, but its agent does not answer as one.
	ErrSmoke = errors.New("the smoke call failed")
)

// An Error says what could not be done, and what it leaves behind.
type Error struct {
	Op   string     // "create", "update", …
	Name string     // the function, or what else it is about
	Kind error      // one of this package's sentinels, or nil
	Err  error      // the cause, or nil
	Hint string     // the way out
	Done []string   // what an interrupted update had changed already
	Left []Leftover // what could not be taken back
}

// A Leftover is something that was made and could not be removed again.
type Leftover struct {
	What   string `json:"what"`
	Remove string `json:"remove"` // the command that removes it
}

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("lambdapool")
	for _, part := range []string{strings.TrimSpace(e.Op + " " + e.Name), kind(e.Kind), brief(e.Err)} {
		if part != "" {
			b.WriteString(": " + part)
		}
	}
	if e.Hint != "" {
		b.WriteString(" (" + e.Hint + ")")
	}
	if len(e.Done) > 0 {
		b.WriteString("; done before: " + strings.Join(e.Done, "; "))
	}
	for i, l := range e.Left {
		if i == 0 {
			b.WriteString("; left behind:")
		}
		fmt.Fprintf(&b, "\n  %s, remove it with\n    %s", l.What, l.Remove)
	}
	return b.String()
}

// Unwrap returns the sentinel and the cause.
func (e *Error) Unwrap() []error {
	var errs []error
	if e.Kind != nil {
		errs = append(errs, e.Kind)
	}
	if e.Err != nil {
		errs = append(errs, e.Err)
	}
	return errs
}

// kind leaves out what the cause says better.
func kind(err error) string {
	if err == nil || errors.Is(err, ErrInvalid) {
		return ""
	}
	return err.Error()
}

// brief leaves out what the SDK adds to what AWS says, but for the operation.
func brief(err error) string {
	if err == nil {
		return ""
	}
	if op, ok := err.(*smithy.OperationError); ok { //nolint:errorlint // what wraps one has more to say
		if api, ok := errors.AsType[smithy.APIError](err); ok {
			return op.OperationName + ": " + api.ErrorCode() + ": " + api.ErrorMessage()
		}
	}
	return strings.TrimPrefix(err.Error(), "lambdapool: ")
}

// fail gives a cause its operation and object. An *Error keeps what it says.
func fail(op, name string, err error) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*Error](err); ok {
		e.Op, e.Name = op, name
		return e
	}
	e := &Error{Op: op, Name: name, Err: err}
	switch code(err) {
	case "NoSuchEntity":
		e.Kind = ErrNotFound
	case notFound:
		e.Kind = ErrNotFound
		e.Hint = "lambdapool list shows the functions there are; another region or profile has others"
	case "PreconditionFailedException":
		e.Kind, e.Hint = ErrChanged, hintChanged
	case "AccessDeniedException", "AccessDenied":
		e.Hint = "lambdapool policy deployer NAME prints the rights that these commands need"
	case "UnrecognizedClientException", "InvalidClientTokenId", "ExpiredToken", "ExpiredTokenException", "InvalidSignatureException":
		e.Hint = "the credentials are unknown or have expired: sign in again, or choose another --profile"
	}
	return e
}

// notFound is the code of Lambda and CloudWatch Logs for what does not exist.
const notFound = "ResourceNotFoundException"

const hintChanged = "run the command again: it compares with what is there now"

// code returns the error code that AWS answered with, or "".
func code(err error) string {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return api.ErrorCode()
	}
	return ""
}

func message(err error) string {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return api.ErrorMessage()
	}
	return err.Error()
}

func invalid(format string, args ...any) error {
	return &Error{Kind: ErrInvalid, Err: fmt.Errorf(format, args...)}
}

func errorf(format string, args ...any) error { return fmt.Errorf(format, args...) }
