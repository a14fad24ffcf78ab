package rundeploy

import (
	"errors"
	"net/http"

	"github.com/lambdapool/lambdapool/deploy/shared"
	"github.com/lambdapool/lambdapool/driver"
	"github.com/lambdapool/lambdapool/internal/googleapi"
)

const hintChanged = "run the command again: it compares with what is there now"

// fail gives a cause its operation and object. A *shared.Error keeps what it says.
func fail(op, name string, err error) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*shared.Error](err); ok {
		e.Op, e.Name = op, name
		return e
	}
	e := &shared.Error{Op: op, Name: name, Err: err}
	refused, ok := errors.AsType[*googleapi.Error](err)
	switch {
	case googleapi.IsDisabled(err):
		e.Hint = "gcloud services enable run.googleapis.com artifactregistry.googleapis.com logging.googleapis.com iamcredentials.googleapis.com turns the APIs on"
	case isMissing(err):
		e.Kind, e.Hint = shared.ErrNotFound, "lambdapool list shows the services there are; another project or region has others"
	case ok && refused.Status == http.StatusConflict && refused.Code == "ABORTED":
		e.Kind, e.Hint = shared.ErrChanged, hintChanged
	case ok && refused.Status == http.StatusBadRequest && refused.From == "":
		e.Kind = shared.ErrInvalid
	case errors.Is(err, driver.ErrAccessDenied):
		e.Hint = "lambdapool policy deployer NAME prints the rights that these commands need; gcloud auth application-default login signs in"
	}
	return e
}

// isMissing reports whether an API said that something does not exist.
func isMissing(err error) bool {
	e, ok := errors.AsType[*googleapi.Error](err)
	return ok && e.Status == http.StatusNotFound
}

// isTaken reports whether something of that name exists.
func isTaken(err error) bool {
	e, ok := errors.AsType[*googleapi.Error](err)
	return ok && e.Status == http.StatusConflict && e.Code != "ABORTED"
}

func isDenied(err error) bool { return errors.Is(err, driver.ErrAccessDenied) }
