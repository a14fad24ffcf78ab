package backend_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/lambdapool/lambdapool/backend"
	"github.com/lambdapool/lambdapool/internal/s3local"
	"github.com/lambdapool/lambdapool/splits"
)

var _ splits.Bucket = backend.Inputs(nil)

// The URL says where the bucket is and whose it is; the rest is a prefix.
func TestOpenInputs(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "id")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	t.Setenv("AWS_SESSION_TOKEN", "")
	t.Setenv("AWS_CONFIG_FILE", os.DevNull)
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", os.DevNull)
	t.Setenv("HOME", t.TempDir())
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", t.TempDir()+"/none.json")
	server, err := s3local.Open(s3local.Config{Dir: t.TempDir(), Buckets: []string{"logs"}, AccessKeyID: "id", SecretAccessKey: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	in, prefix, err := backend.OpenInputs(t.Context(), "s3://logs/2026/11/?region=us-east-1&path=true&endpoint="+server.Endpoint())
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	if all, err := splits.Collect(splits.Stored(t.Context(), in, prefix)); prefix != "2026/11/" || len(all) != 0 || err != nil {
		t.Errorf("%q: %v, %v", prefix, all, err)
	}
	for url, want := range map[string]string{
		"s3:logs":                   "want s3://BUCKET/PREFIX",
		"s3:///x":                   "want s3://BUCKET/PREFIX",
		"az://logs":                 `unknown scheme "az"`,
		"s3://logs?regoin=secret":   `did you mean "region"`,
		"s3://logs?path=no":         "want path=true",
		"gs://logs?profile=secret":  `unknown parameter "profile"`,
		"s3://No_Bucket/?region=x":  "not the name of a bucket",
		"gs://No_Bucket!/x":         "not the name of a bucket",
		"gs://logs/x":               "no credentials",
		"s3://logs/x?endpoint=logs": "BucketEndpoint",
	} {
		if in, _, err := backend.OpenInputs(t.Context(), url); err == nil || in != nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v, want %q", url, err, want)
		}
	}
}

func ExampleOpenInputs() {
	ctx := context.Background()
	_, _, err := backend.OpenInputs(ctx, "s4://logs/2026/")
	fmt.Println(err)
	// Output: lambdapool: open inputs "s4://logs/2026/": unknown scheme "s4" (want s3 or gs)
}
