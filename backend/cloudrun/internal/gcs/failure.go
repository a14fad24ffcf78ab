package gcs

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/lambdapool/lambdapool/driver"
)

// failure says what a failure means for another try.
func (s *Store) failure(op, key string, err error) error {
	if err == nil {
		return nil
	}
	if known := (*driver.InvokeError)(nil); errors.As(err, &known) {
		return err
	}
	e := &driver.InvokeError{Err: fmt.Errorf("%s gs://%s/%s%s: %w", op, s.bucket, s.prefix, key, err)}
	rights := "create, get, delete and list objects (roles/storage.objectUser)"
	if s.readOnly {
		rights = "get and list objects (roles/storage.objectViewer)"
	}
	judge(e, err, fmt.Sprintf("the client needs to %s in the bucket %s", rights, s.bucket))
	return e
}

// judge fills in what is known of err. rights are what whoever is refused lacks.
func judge(e *driver.InvokeError, err error, rights string) {
	var no *refusal
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded): // says nothing of who asks
		if errors.As(err, new(*credentialsError)) {
			e.Outcome = driver.OutcomeNotRun
		}
	case errors.As(err, new(*credentialsError)):
		e.Outcome, e.Kind = driver.OutcomeNotRun, driver.ErrAccessDenied
		e.Hint = "sign in again: gcloud auth application-default login"
	case errors.As(err, new(*fatalError)):
		e.Permanent = true
	case !errors.As(err, &no):
	case no.status == http.StatusUnauthorized:
		e.Kind = driver.ErrAccessDenied
		e.Hint = "sign in again: gcloud auth application-default login"
	case no.status == http.StatusForbidden:
		e.Kind, e.Permanent, e.Hint = driver.ErrAccessDenied, true, rights
	case no.code == "NoSuchBucket", no.code == "InvalidBucketName":
		e.Permanent = true
		e.Hint = "check the bucket's name: the bucket must exist"
	default:
		e.RetryAfter = no.after
	}
}

// parseTime reads a time of a listing.
func parseTime(s string) (time.Time, error) { return time.Parse(time.RFC3339, s) }
