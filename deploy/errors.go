package deploy

import (
	"errors"
	"fmt"

	"github.com/aws/smithy-go"

	"github.com/lambdapool/lambdapool/deploy/internal/steps"
)

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

func invalid(format string, args ...any) error { return steps.Invalid(format, args...) }

func errorf(format string, args ...any) error { return fmt.Errorf(format, args...) }
