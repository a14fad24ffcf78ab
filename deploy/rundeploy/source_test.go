package rundeploy_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lambdapool/lambdapool/backend/cloudrun"
	"github.com/lambdapool/lambdapool/deploy/rundeploy"
	"github.com/lambdapool/lambdapool/deploy/shared"
	"github.com/lambdapool/lambdapool/internal/googlelocal"
)

// sourcing are the roles of who deploys without images.
var sourcing = []string{"roles/run.developer", "roles/iam.serviceAccountUser", "roles/storage.objectCreator", "roles/storage.objectViewer", "roles/run.invoker"}

// withBucket is a cloud that has a bucket beside Cloud Run, and a client of it. wrap is around the bucket.
func withBucket(t *testing.T, wrap func(http.Handler) http.Handler, roles ...string) (*cloud, func(...rundeploy.Option) *rundeploy.Client) {
	t.Helper()
	google, err := googlelocal.New(googlelocal.Options{Dir: filepath.Join(t.TempDir(), "objects"), Account: deployer, Wrap: wrap})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := google.Close(); err != nil {
			t.Error(err)
		}
	})
	c := signedIn(t, google.Server, roles...)
	for name, value := range google.Environment() {
		t.Setenv(name, value)
	}
	return c, func(opts ...rundeploy.Option) *rundeploy.Client {
		return c.clientOf(rundeploy.Project{Registry: c.Registry()}, opts...)
	}
}

func fromBucket(t *testing.T, name string) rundeploy.Spec {
	t.Helper()
	return rundeploy.Spec{Name: name, Artifact: artifact(t), Settings: rundeploy.Settings{SourceBucket: googlelocal.Bucket}}
}

// Without an image: from a built agent by way of a bucket to a service that is called, changed and deleted.
func TestFromCodeToCallAndBackWithoutAnImage(t *testing.T) {
	c, open := withBucket(t, nil, sourcing...)
	var steps []string
	client, ctx := open(rundeploy.WithProgress(func(e shared.Event) { steps = append(steps, e.Step) })), t.Context()
	spec := fromBucket(t, "demo")

	planned, err := client.Create(ctx, spec, rundeploy.CreateOptions{DryRun: true})
	if err != nil || len(planned.Plan) != 2 || !strings.HasPrefix(planned.Plan[0], "upload gs://payloads/lambdapool/agents/") || len(steps) != 0 {
		t.Fatalf("%+v, %q, %v", planned, steps, err)
	}
	created, err := client.Create(ctx, spec, rundeploy.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"upload", "create", "smoke"}, steps); diff != "" || created.Registry == nil {
		t.Errorf("%s%+v", diff, created)
	}
	s := created.Service
	if s.Image != "scratch" || "upload "+s.Source != planned.Plan[0] || s.State != "Ready" {
		t.Errorf("created %+v", s)
	}
	container := c.get("demo")["template"].(map[string]any)["containers"].([]any)[0].(map[string]any)
	from := container["sourceCode"].(map[string]any)["cloudStorageSource"].(map[string]any)
	if from["generation"] == nil || container["baseImageUri"] != "osonly24" || !cmp.Equal(container["command"], []any{"./agent"}) {
		t.Errorf("%v", container)
	}
	call := func() {
		t.Helper()
		if r, err := client.Call(ctx, "demo", shared.Call{Function: "fibonacci", Args: []string{"30"}}); err != nil || string(r.Value) != "832040" {
			t.Fatalf("%+v, %v", r, err)
		}
	}
	call()

	// Where the code is stays as it is, and what is there is not sent again.
	steps = nil
	updated, err := client.Update(ctx, rundeploy.Spec{Name: "demo", Artifact: artifact(t), Settings: rundeploy.Settings{Memory: 1024}}, rundeploy.UpdateOptions{})
	if err != nil || !cmp.Equal(updated.Plan, []string{"memory 512 → 1024 MB"}) || !cmp.Equal(steps, []string{"update", "smoke"}) {
		t.Fatalf("%+v, %q, %v", updated, steps, err)
	}
	call()
	if updated, err = client.Update(ctx, spec, rundeploy.UpdateOptions{}); err != nil || updated.Changed {
		t.Errorf("nothing to do: %+v, %v", updated, err)
	}
	broken, err := rundeploy.Pack(static(t))
	if err != nil {
		t.Fatal(err)
	}
	steps = nil
	if _, err := client.Update(ctx, rundeploy.Spec{Name: "demo", Artifact: broken}, rundeploy.UpdateOptions{}); !errors.Is(err, shared.ErrNotReady) || !cmp.Equal(steps, []string{"upload", "update"}) {
		t.Errorf("a new agent that does not listen: %q, %v", steps, err)
	}
	if updated, err = client.Update(ctx, rundeploy.Spec{Name: "demo", Artifact: artifact(t)}, rundeploy.UpdateOptions{}); err != nil || !strings.HasPrefix(updated.Plan[0], "code ") {
		t.Fatalf("%+v, %v", updated, err)
	}
	call()

	// To an image and back.
	if _, err := client.Update(ctx, rundeploy.Spec{Name: "demo", Settings: rundeploy.Settings{SourceBucket: "none"}}, rundeploy.UpdateOptions{}); !errors.Is(err, shared.ErrInvalid) || !strings.Contains(err.Error(), "name the package") {
		t.Errorf("moved without code: %v", err)
	}
	c.Repository(rundeploy.Repository)
	c.Grant("roles/artifactregistry.writer", deployer, "")
	image := rundeploy.Spec{Name: "demo", Artifact: artifact(t), Settings: rundeploy.Settings{SourceBucket: "none"}}
	if updated, err = client.Update(ctx, image, rundeploy.UpdateOptions{}); err != nil || updated.Service.Source != "" || !strings.HasSuffix(updated.Service.Image, artifact(t).Digest) {
		t.Fatalf("%+v, %v", updated, err)
	}
	call()
	if updated, err = client.Update(ctx, spec, rundeploy.UpdateOptions{}); err != nil || updated.Service.Source != s.Source {
		t.Fatalf("%+v, %v", updated, err)
	}
	call()
	if data, err := json.Marshal(updated.Service); err != nil || !strings.Contains(string(data), `"source":"gs://payloads/`) {
		t.Errorf("%s, %v", data, err)
	}
	if deleted, err := client.Delete(ctx, "demo", false); err != nil || !cmp.Equal(deleted, []string{"service demo"}) {
		t.Errorf("%q, %v", deleted, err)
	}
}

// A client brings its own build by way of the bucket, too.
func TestAutoWithoutAnImage(t *testing.T) {
	c, open := withBucket(t, nil, sourcing...)
	spec := fromBucket(t, "")
	deploy := rundeploy.Auto(spec, rundeploy.WithPoll(time.Millisecond))
	for range 2 {
		if _, err := deploy(t.Context(), cloudrun.Target{Project: c.Project(), Region: c.Region(), Service: "auto"}); err != nil {
			t.Fatal(err)
		}
	}
	if s, err := open().Service(t.Context(), "auto"); err != nil || s.Source == "" || len(s.Tags) != 1 {
		t.Errorf("%+v, %v", s, err)
	}
}

// A service that does not start is taken back, and so is one whose creation is interrupted, before the upload or after it.
func TestHalfMadeServicesWithoutAnImageAreTakenBack(t *testing.T) {
	_, open := withBucket(t, nil, sourcing...)
	broken, err := rundeploy.Pack(static(t))
	if err != nil {
		t.Fatal(err)
	}
	spec := fromBucket(t, "first")
	spec.Artifact = broken
	if _, err := open().Create(t.Context(), spec, rundeploy.CreateOptions{}); !errors.Is(err, shared.ErrNotReady) {
		t.Errorf("an agent that does not listen: %v", err)
	}
	stop := errors.New("interrupted")
	for _, step := range []string{"upload", "create"} {
		ctx, interrupt := context.WithCancelCause(t.Context())
		client := open(rundeploy.WithProgress(func(e shared.Event) {
			if e.Step == step {
				interrupt(stop)
			}
		}))
		_, err := client.Create(ctx, fromBucket(t, "second"), rundeploy.CreateOptions{})
		if !errors.Is(err, stop) || !strings.Contains(err.Error(), "has been removed again") {
			t.Errorf("interrupted at %s: %v", step, err)
		}
	}
	for _, name := range []string{"first", "second"} {
		if _, err := open().Service(t.Context(), name); !errors.Is(err, shared.ErrNotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What a bucket refuses is named with what helps, and no service is made.
func TestWrongBuckets(t *testing.T) {
	c, open := withBucket(t, nil, "roles/run.developer")
	spec := fromBucket(t, "demo")
	create := func(bucket, want string) {
		t.Helper()
		spec.SourceBucket = bucket
		if _, err := open().Create(t.Context(), spec, rundeploy.CreateOptions{NoSmoke: true}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: want %q in: %v", bucket, want, err)
		}
		if _, err := open().Service(t.Context(), "demo"); !errors.Is(err, shared.ErrNotFound) {
			t.Errorf("%s: %v", bucket, err)
		}
	}
	create("Not A Bucket", "must be the name of a bucket")
	create(googlelocal.Bucket, "roles/storage.objectCreator and roles/storage.objectViewer")
	c.Grant("roles/storage.objectViewer", deployer, "")
	create(googlelocal.Bucket, "storage.objects.create")
	c.Grant("roles/storage.objectCreator", deployer, "")
	large := *spec.Artifact
	large.Size = rundeploy.MaxSource + 1
	spec.Artifact = &large
	create(googlelocal.Bucket, "250 MiB")
	spec.Artifact = artifact(t)
	create("another", "gcloud storage buckets create gs://another --location=europe-west1 --project=local-project")
}

// Lost answers and a bucket that is busy do not matter; what somebody else has put there does.
func TestUploadsOverABadNetwork(t *testing.T) {
	var requests, uploads, lost atomic.Int32
	var spoil atomic.Bool
	_, open := withBucket(t, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch {
			case r.Method == http.MethodHead && requests.Add(1) == 1:
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			case r.Method == http.MethodPut && uploads.Add(1) == 1:
				next.ServeHTTP(&silent{header: http.Header{}}, r)
				lost.Add(1)
				panic(http.ErrAbortHandler)
			case r.Method == http.MethodHead && spoil.Load():
				w.Header().Set("X-Goog-Hash", "crc32c=AAAAAA==")
				w.Header().Set("X-Goog-Generation", "1")
				return
			}
			next.ServeHTTP(w, r)
		})
	}, sourcing...)
	if _, err := open().Create(t.Context(), fromBucket(t, "demo"), rundeploy.CreateOptions{NoSmoke: true}); err != nil || uploads.Load() != 1 || lost.Load() != 1 {
		t.Errorf("%d uploads, %d answers lost, %v", uploads.Load(), lost.Load(), err)
	}
	spoil.Store(true)
	if _, err := open().Create(t.Context(), fromBucket(t, "other"), rundeploy.CreateOptions{}); !errors.Is(err, shared.ErrForeign) || !strings.Contains(err.Error(), "something else") {
		t.Errorf("another's object: %v", err)
	}
}

// silent takes an answer that nobody gets.
type silent struct{ header http.Header }

func (s *silent) Header() http.Header         { return s.header }
func (s *silent) WriteHeader(int)             {}
func (s *silent) Write(p []byte) (int, error) { return io.Discard.Write(p) }

// The rights that are printed are those of the bucket instead of the repository.
func TestRightsWithoutAnImage(t *testing.T) {
	rights, err := rundeploy.DeployerRights(rundeploy.RightsInput{Project: "p1", Region: "r1", Service: "demo", SourceBucket: "agents"})
	if err != nil {
		t.Fatal(err)
	}
	var roles []string
	for _, r := range rights {
		roles = append(roles, r.Role+" on "+r.On)
	}
	want := []string{
		"roles/run.developer on projects p1", "roles/iam.serviceAccountUser on iam service-accounts AGENT",
		"roles/storage.objectCreator on storage buckets gs://agents", "roles/storage.objectViewer on storage buckets gs://agents", "roles/logging.viewer on projects p1",
	}
	if diff := cmp.Diff(want, roles); diff != "" {
		t.Error(diff)
	}
	if _, err := rundeploy.DeployerRights(rundeploy.RightsInput{Project: "p1", Region: "r1", Service: "demo", SourceBucket: "A B"}); !errors.Is(err, shared.ErrInvalid) {
		t.Error(err)
	}
}
