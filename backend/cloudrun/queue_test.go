package cloudrun_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/cloudrun"
	"github.com/lambdapool/lambdapool/internal/googlelocal"
)

// Without a queue there are no detached runs, and nothing of one is recorded. Without a right its name is said.
func TestQueue(t *testing.T) {
	c, google := startGoogle(t, googlelocal.Options{})
	name := c.create(settings{instances: 2, concurrency: 1})
	google.Allow(invoker, name)
	bucket := cloudrun.WithBucket(googlelocal.Bucket)
	open := func(opts ...cloudrun.Option) *cloudrun.Backend {
		t.Helper()
		b, err := cloudrun.New(soon(t), "agents", append(opts, bucket)...)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = b.Close() })
		return b
	}
	t.Run("none", func(t *testing.T) {
		b := open()
		_, err := lambdapool.MapDetached(soon(t), executor(t, b), work, []order{{"echo", 1}})
		if !errors.Is(err, lambdapool.ErrBadArguments) || !strings.Contains(err.Error(), "cloudrun.WithQueue") {
			t.Errorf("%v", err)
		}
		if _, err := b.InvokeEvent(soon(t), &lambdapool.Request{}); !errors.Is(err, lambdapool.ErrBadArguments) || b.EventLimits() != (lambdapool.EventLimits{}) {
			t.Errorf("%v", err)
		}
		if left, err := b.Store().List(soon(t), "", ""); err != nil || len(left.Objects) > 0 {
			t.Errorf("%d objects remain, %v", len(left.Objects), err)
		}
	})
	t.Run("by its full name", func(t *testing.T) {
		e := executor(t, open(cloudrun.WithQueue(google.Queue())))
		run, err := lambdapool.MapDetached(soon(t), e, work, []order{{"echo", 1}, {"echo", 2}})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := run.Wait(soon(t)); err != nil || !slices.Equal(got, []int{1, 2}) {
			t.Errorf("%v, %v", got, err)
		}
	})
	t.Run("no such queue", func(t *testing.T) {
		_, err := lambdapool.MapDetached(soon(t), executor(t, open(cloudrun.WithQueue("other"))), work, []order{{"echo", 1}})
		if !errors.Is(err, lambdapool.ErrFunctionNotFound) || !strings.Contains(err.Error(), "gcloud tasks queues create other") {
			t.Errorf("%v", err)
		}
	})
	for role, resource := range map[string]string{"roles/cloudtasks.enqueuer": "", "roles/iam.serviceAccountUser": invoker} {
		t.Run("without "+role, func(t *testing.T) {
			if resource == "" {
				resource = google.Queue()
			}
			c.Revoke(role, invoker, resource)
			defer c.Grant(role, invoker, resource)
			_, err := lambdapool.MapDetached(soon(t), executor(t, open(cloudrun.WithQueue(googlelocal.Queue))), work, []order{{"echo", 1}})
			if !errors.Is(err, lambdapool.ErrAccessDenied) || !strings.Contains(err.Error(), role) {
				t.Errorf("%v", err)
			}
		})
	}
	t.Run("closed", func(t *testing.T) {
		b := open(cloudrun.WithQueue(googlelocal.Queue))
		_ = b.Close()
		if _, err := b.InvokeEvent(soon(t), &lambdapool.Request{}); !errors.Is(err, lambdapool.ErrClosed) {
			t.Errorf("%v", err)
		}
	})
	t.Run("nowhere", func(t *testing.T) {
		t.Setenv("CLOUDSDK_RUN_REGION", "")
		_, err := cloudrun.New(soon(t), "agents", cloudrun.WithURL("https://agents.example.com"), bucket, cloudrun.WithQueue("lambdapool"))
		if err == nil || !strings.Contains(err.Error(), "WithQueue: which project and region?") {
			t.Errorf("%v", err)
		}
	})
}
