package cloudrun

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/lambdapool/lambdapool/backend/cloudrun/internal/gcs"
	"github.com/lambdapool/lambdapool/internal/once"
)

// A BucketOption configures [WithBucket]. A bad one is an error from [New].
type BucketOption func(*bucketOptions) error

type bucketOptions struct {
	name      string
	prefix    string // "": gcs.DefaultPrefix
	threshold int
	endpoint  string
	readOnly  bool // of OpenInputs
}

// WithBucket carries arguments and results that are too large for a request through this bucket of
// Google Cloud Storage. Without it a call whose arguments or result exceed 32 MiB fails with
// lambdapool.ErrTooLarge. Detached runs need it, too ([WithQueue]). It need not be used for small
// payloads: a request is faster.
//
// The client puts, gets, deletes and lists objects with its own credentials (roles/storage.objectUser
// on the bucket). Agents get signed links and need no rights. Links are signed as the service account whose
// ID tokens the client has: by its key, or else by Google, one request for each signature. That
// account needs roles/storage.objectUser, too, and whoever the credentials are of
// roles/iam.serviceAccountTokenCreator on it, also where that is the account itself. Links that Google
// signs are good for twelve hours, those of a key for a week.
//
// The bucket must exist. It is not contacted before the first large payload. Choose the region of the
// service: elsewhere each transfer is slow, and Google charges for it.
//
// What belongs to a call is below "calls/" and deleted when the call has ended, at the latest
// when the executor is closed. Detached runs stay. [LifecycleRule] removes what a crash leaves,
// and runs that have become old: without one they cost money for ever. [WithStore] excludes it.
func WithBucket(name string, opts ...BucketOption) Option {
	return func(o *options) error {
		b := bucketOptions{name: name}
		if err := gcs.CheckBucket(name); err != nil {
			return fmt.Errorf("WithBucket: %w", err)
		}
		for i, opt := range opts {
			if opt == nil {
				return fmt.Errorf("WithBucket: option %d is nil", i)
			}
			if err := opt(&b); err != nil {
				return fmt.Errorf("WithBucket: %w", err)
			}
		}
		o.bucket = &b
		return nil
	}
}

// Prefix sets what all keys begin with, such as "team-a/lambdapool". The default is
// "lambdapool". A slash follows it. Use it where several teams share a bucket. Who follows a
// detached run must use the prefix that it was begun with. It has at most 512 bytes, and does not
// begin with a slash.
func Prefix(prefix string) BucketOption {
	return func(b *bucketOptions) error {
		if _, err := gcs.CheckPrefix(prefix); err != nil || prefix == "" {
			return fmt.Errorf("Prefix: %w", orEmpty(err))
		}
		b.prefix = prefix
		return nil
	}
}

func orEmpty(err error) error {
	if err == nil {
		err = errors.New("empty prefix (leave the option out to use the default)")
	}
	return err
}

// Threshold has payloads above so many bytes go through the bucket although a request could
// carry them. The default is what a request cannot carry, 32 MiB. Lower it where
// bandwidth to Cloud Run is what limits. Each stored payload costs requests to Cloud Storage and their
// latency. Less than 1 is an error.
func Threshold(bytes int) BucketOption {
	return func(b *bucketOptions) error {
		if bytes < 1 {
			return fmt.Errorf("Threshold: %d bytes: must be at least 1", bytes)
		}
		b.threshold = bytes
		return nil
	}
}

// BucketEndpoint has the bucket be reached at this URL instead of https://storage.googleapis.com: that of a
// stand-in, or of Private Service Connect. Agents reach the same URL, so 127.0.0.1 serves only agents on
// this machine. It wins over [WithEndpoint] and over STORAGE_EMULATOR_HOST, which Google's own
// clients read as well.
func BucketEndpoint(endpoint string) BucketOption {
	return func(b *bucketOptions) error {
		if once.Endpoint(endpoint) == nil {
			return errors.New("BucketEndpoint: not a URL (want https://HOST[:PORT], without user, path, query and fragment)")
		}
		b.endpoint = endpoint
		return nil
	}
}

// runDays is how many days a detached run stays unless KeepRuns says otherwise: one more
// than such a run itself promises.
const runDays = 8

type lifecycle struct{ runDays int }

// A LifecycleOption configures [LifecycleRule]. A bad one is an error of it.
type LifecycleOption func(*lifecycle) error

// KeepRuns has detached runs stay for so many days after they were begun. The default is 8: one
// more than such a run promises its results for. A run that is to be read for longer needs
// more. Less than 1 is an error.
func KeepRuns(days int) LifecycleOption {
	return func(l *lifecycle) error {
		if days < 1 {
			return fmt.Errorf("KeepRuns: %d days: must be at least 1", days)
		}
		l.runDays = days
		return nil
	}
}

// LifecycleRule returns the lifecycle configuration, as JSON, that removes below prefix what
// crashed clients leave of calls, after a day, and detached runs and what jobs of package
// mapreduce have left after [KeepRuns] days. prefix
// is that of [Prefix], "" means the default. It asks nobody and changes nothing. Set it once
// per bucket:
//
//	gcloud storage buckets update gs://NAME --lifecycle-file=rule.json
//
// That call replaces the bucket's other rules: merge them first. Google counts whole days and
// removes objects some time after. New buckets keep what was deleted for seven days more, and charge for it,
// unless their soft delete is turned off. The error says what is wrong with the prefix or an option.
//
// Source: https://cloud.google.com/storage/docs/lifecycle-configurations, 2026-11.
func LifecycleRule(prefix string, opts ...LifecycleOption) (string, error) {
	l := lifecycle{runDays}
	prefix, err := gcs.CheckPrefix(prefix)
	for i, opt := range opts {
		switch {
		case err != nil:
		case opt == nil:
			err = fmt.Errorf("option %d is nil", i)
		default:
			err = opt(&l)
		}
	}
	if err != nil {
		return "", fmt.Errorf("lambdapool: lifecycle rule: %w", err)
	}
	type object = map[string]any
	rule := func(below []string, days int) object {
		for i := range below {
			below[i] = prefix + below[i]
		}
		return object{
			"action":    object{"type": "Delete"},
			"condition": object{"age": days, "matchesPrefix": below}, // whole days are what Google knows
		}
	}
	data, err := json.MarshalIndent(object{"lifecycle": object{"rule": []any{
		rule([]string{"calls/"}, 1), rule([]string{"runs/", "index/", "mapreduce/"}, l.runDays),
	}}}, "", "  ")
	return string(data) + "\n", err
}
