package shared

import (
	"errors"
	"fmt"
	"strings"

	"github.com/lambdapool/lambdapool/internal/legible"
)

// What errors.Is finds in the errors of a deployment. Where an agent was called, it also finds
// the sentinels of package lambdapool.
var (
	// ErrInvalid: a value was refused before it was sent. The text names the value and the
	// limit. Correct it; trying again does not help.
	ErrInvalid = errors.New("invalid")
	// ErrNotAgent: the package, or what answers, is no lambdapool agent. Its main must call
	// agent.Main.
	ErrNotAgent = errors.New("not a lambdapool agent")
	// ErrExists: there is a function or service of that name already. An update changes it, if
	// lambdapool made it.
	ErrExists = errors.New("exists already")
	// ErrNotFound: there is no such function, service, version, role or log. It may be in another
	// region, account or project.
	ErrNotFound = errors.New("not found")
	// ErrForeign: lambdapool did not make it, and leaves it alone. Change it with the tool that
	// made it, or choose another name.
	ErrForeign = errors.New("not made by lambdapool")
	// ErrChanged: somebody else changed the function meanwhile. Do it again: the next try
	// compares with what is there now.
	ErrChanged = errors.New("changed by someone else meanwhile")
	// ErrNotReady: what was waited for did not come in time, or ended in failure. The
	// cloud's reason is in the text, if it gave one.
	ErrNotReady = errors.New("not ready")
	// ErrSmoke: the function is deployed, but its agent does not answer as one. The log of the
	// function usually tells why.
	ErrSmoke = errors.New("the smoke call failed")
)

// An Error says what could not be done, why, what helps, and what it leaves behind. Almost
// every error of a deployment is one, so take it apart with errors.As. Use errors.Is for the
// sentinels.
type Error struct {
	// Op is what was tried: "create", "update", "delete", "invoke", …
	Op string

	// Name is the function, or what else it is about.
	Name string

	// Kind is one of the sentinels, or nil where none says more than Err.
	Kind error

	// Err is the cause, for instance an error of the cloud, or nil.
	Err error

	// Hint is the way out, often a command. It may be empty.
	Hint string

	// Done is what an interrupted update had changed already. It stays changed: run
	// the update again.
	Done []string

	// Left is what creating made and could not take back, or what deleting had
	// not deleted yet.
	Left []Leftover
}

// A Leftover is something that was made and could not be removed again.
type Leftover struct {
	// What names it: "role lambdapool-demo".
	What string `json:"what"`

	// Remove is the shell command that removes it.
	Remove string `json:"remove"`
}

// Error is safe to print: what clouds and agents say in it is escaped, and begins no line. What is
// left behind has lines of its own, which are indented.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("lambdapool")
	for _, part := range []string{strings.TrimSpace(e.Op + " " + e.Name), kind(e.Kind), brief(e.Err)} {
		if part != "" {
			b.WriteString(": " + legible.Text(part))
		}
	}
	if e.Hint != "" {
		b.WriteString(" (" + legible.Text(e.Hint) + ")")
	}
	if len(e.Done) > 0 {
		b.WriteString("; done before: " + legible.Text(strings.Join(e.Done, "; ")))
	}
	for i, l := range e.Left {
		if i == 0 {
			b.WriteString("; left behind:")
		}
		fmt.Fprintf(&b, "\n  %s, remove it with\n    %s", legible.Line(l.What), legible.Line(l.Remove))
	}
	return b.String()
}

// Unwrap returns Kind and Err, those of them that are not nil, for errors.Is and errors.As.
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

// brief leaves out what the AWS SDK adds to what AWS says, but for the operation. It knows the SDK's
// errors by their methods, so that nobody links the SDK for this.
func brief(err error) string {
	if err == nil {
		return ""
	}
	if op, ok := err.(interface {
		Service() string
		Operation() string
	}); ok {
		if api, ok := errors.AsType[interface {
			error
			ErrorCode() string
			ErrorMessage() string
		}](err); ok {
			return op.Operation() + ": " + api.ErrorCode() + ": " + api.ErrorMessage()
		}
	}
	return strings.TrimPrefix(err.Error(), "lambdapool: ")
}
