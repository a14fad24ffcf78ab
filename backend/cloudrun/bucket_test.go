package cloudrun_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend"
	"github.com/lambdapool/lambdapool/backend/cloudrun"
	"github.com/lambdapool/lambdapool/internal/googlelocal"
	"github.com/lambdapool/lambdapool/internal/runlocal"
)

var reverse = lambdapool.Register("cloudrun.reverse", func(_ context.Context, data []byte) ([]byte, error) {
	for i, j := 0, len(data)-1; i < j; i, j = i+1, j-1 {
		data[i], data[j] = data[j], data[i]
	}
	return data, nil
})

// startGoogle makes a Cloud Run with a bucket and a queue, and has clients find it with the key of invoker, who may
// do everything.
func startGoogle(t *testing.T, o googlelocal.Options) (*cloud, *googlelocal.Cloud) {
	t.Helper()
	isolate(t)
	c := &cloud{t: t}
	o.Run.Images, o.Run.Output = map[string]string{"agent": ""}, c
	o.Dir, o.Account = t.TempDir(), invoker
	google, err := googlelocal.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := google.Close(); err != nil {
			t.Error(err)
		}
	})
	c.Server = google.Server
	for name, value := range google.Environment() {
		t.Setenv(name, value)
	}
	use(t, google.Key())
	return c, google
}

// Whoever the credentials are of, large payloads travel through the bucket: links are signed by the account's key, or
// by Google.
func TestBucket(t *testing.T) {
	var requests atomic.Int64
	c, google := startGoogle(t, googlelocal.Options{Wrap: func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { requests.Add(1); next.ServeHTTP(w, r) })
	}})
	name := c.create(settings{instances: 1, concurrency: 1})
	google.Allow(invoker, name)
	own := c.PersonFile(person)
	c.Grant("roles/run.viewer", person, "")
	c.Grant("roles/iam.serviceAccountTokenCreator", person, invoker)
	c.Grant("roles/storage.objectUser", person, googlelocal.Bucket)
	data := bytes.Repeat([]byte{0, 1, 2, 3}, 1000)
	endpoint := cloudrun.WithEndpoint(c.URL()) // also of people's tokens, for which there is no variable
	bucket := cloudrun.BucketEndpoint(google.Environment()["STORAGE_EMULATOR_HOST"])
	works := func(t *testing.T, opts ...cloudrun.Option) {
		t.Helper()
		b, err := cloudrun.New(soon(t), "agents", append(opts, endpoint, cloudrun.WithBucket(googlelocal.Bucket, cloudrun.Threshold(1000), bucket))...)
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		before := requests.Load()
		got, err := lambdapool.Call(soon(t), executor(t, b, lambdapool.WithCompression(false)), reverse, bytes.Clone(data))
		if err != nil || len(got) != len(data) || got[0] != 3 {
			t.Errorf("%d bytes, %v", len(got), err)
		}
		if n := requests.Load() - before; n < 4 { // each is stored and fetched
			t.Errorf("%d requests to the bucket", n)
		}
	}
	t.Run("key", func(t *testing.T) { works(t) })
	t.Run("key, and its account", func(t *testing.T) { works(t, cloudrun.WithServiceAccount(invoker)) })
	t.Run("person who impersonates", func(t *testing.T) { use(t, own); works(t, cloudrun.WithServiceAccount(invoker)) })
	t.Run("signed in as another", func(t *testing.T) { use(t, c.ImpersonatedFile(own, invoker)); works(t) })
	t.Run("metadata server", func(t *testing.T) {
		c.Grant("roles/iam.serviceAccountTokenCreator", invoker, invoker)
		t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", "")
		t.Setenv("GCE_METADATA_HOST", c.MetadataHost())
		c.AttachAccount(invoker)
		works(t)
	})
	t.Run("by URL", func(t *testing.T) {
		b, err := backend.Open(soon(t), "cloudrun://agents?bucket="+googlelocal.Bucket+"&queue="+googlelocal.Queue)
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		if b.(lambdapool.Storer).Store() == nil {
			t.Error("no store")
		}
		if err := b.(*cloudrun.Backend).CanDetach(); err != nil {
			t.Error(err)
		}
	})
	t.Run("may not sign", func(t *testing.T) {
		use(t, own)
		c.Revoke("roles/iam.serviceAccountTokenCreator", person, invoker)
		defer c.Grant("roles/iam.serviceAccountTokenCreator", person, invoker)
		b, err := cloudrun.New(soon(t), "agents", endpoint, cloudrun.WithServiceAccount(invoker), cloudrun.WithBucket(googlelocal.Bucket, bucket))
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		if _, err = b.Store().LinkGet(soon(t), "x", 1); !errors.Is(err, lambdapool.ErrAccessDenied) {
			t.Errorf("%v", err)
		}
	})
	t.Run("may not store", func(t *testing.T) {
		c.Revoke("roles/storage.objectUser", invoker, googlelocal.Bucket)
		b, err := cloudrun.New(soon(t), "agents", cloudrun.WithBucket(googlelocal.Bucket))
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		if _, err = b.Store().List(soon(t), "x", ""); !errors.Is(err, lambdapool.ErrAccessDenied) {
			t.Errorf("%v", err)
		}
	})
}

// A person's credentials sign nothing, whoever may invoke the service.
func TestBucketOfAPerson(t *testing.T) {
	c := start(t, runlocal.Options{})
	use(t, c.PersonFile(person))
	_, err := cloudrun.New(soon(t), "agents", cloudrun.WithURL("https://agents.example.com"), cloudrun.WithBucket("payloads"))
	if err == nil || !strings.Contains(err.Error(), "--impersonate-service-account") {
		t.Errorf("%v", err)
	}
}
