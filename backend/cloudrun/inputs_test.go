package cloudrun_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/cloudrun"
	"github.com/lambdapool/lambdapool/backend/inproc"
	"github.com/lambdapool/lambdapool/internal/apart"
	"github.com/lambdapool/lambdapool/internal/googlelocal"
	"github.com/lambdapool/lambdapool/splits"
)

var readLines = lambdapool.Register("cloudrun_test.readLines", func(ctx context.Context, s splits.Split) (lines []string, err error) {
	for line, err := range s.Lines(ctx) {
		if err != nil {
			return nil, err
		}
		lines = append(lines, string(line))
	}
	return lines, nil
})

// A bucket that is no backend's store has inputs for functions of another backend, by links. The right to read is enough.
func TestInputs(t *testing.T) {
	isolate(t)
	c, err := googlelocal.New(googlelocal.Options{Dir: t.TempDir(), Account: invoker})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}()
	use(t, c.Key())
	for name, value := range c.Environment() {
		t.Setenv(name, value)
	}
	owner, err := cloudrun.New(soon(t), "agents", cloudrun.WithURL("http://127.0.0.1:1"), cloudrun.WithBucket(googlelocal.Bucket, cloudrun.Prefix("logs")))
	if err != nil {
		t.Fatal(err)
	}
	defer owner.Close()
	in, err := cloudrun.OpenInputs(soon(t), googlelocal.Bucket)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	_, err = splits.Collect(splits.Stored(soon(t), in, "logs/"))
	var refused *lambdapool.InvokeError
	if !errors.As(err, &refused) || !errors.Is(err, lambdapool.ErrAccessDenied) || !strings.Contains(refused.Hint, "roles/storage.objectViewer") {
		t.Errorf("without a right: %v", err)
	}
	c.Grant("roles/storage.objectUser", invoker, googlelocal.Bucket)
	put := func(key, text string) {
		t.Helper()
		if err := owner.Store().Put(soon(t), key, strings.NewReader(text), int64(len(text)), sha256.Sum256([]byte(text))); err != nil {
			t.Fatal(err)
		}
	}
	var want []string
	for i := range 10 {
		text := ""
		for n := range 30 {
			want = append(want, fmt.Sprint(i, " ", n))
			text += want[len(want)-1] + "\n"
		}
		put(fmt.Sprintf("%d ü.txt", i), text)
	}
	c.Revoke("roles/storage.objectUser", invoker, googlelocal.Bucket)
	c.Grant("roles/storage.objectViewer", invoker, googlelocal.Bucket)
	b := inproc.New()
	defer b.Close()
	var got []string
	for lines, err := range lambdapool.StreamFrom(soon(t), executor(t, b), readLines, splits.Stored(soon(t), in, "logs/", splits.Size(50))) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, lines...)
	}
	if !slices.Equal(got, want) {
		t.Errorf("%d lines, want %d", len(got), len(want))
	}
	parts, err := splits.Collect(splits.Stored(soon(t), in, "logs/0", splits.Size(50)))
	if err != nil || len(parts) < 2 {
		t.Fatalf("%d splits, %v", len(parts), err)
	}
	c.Grant("roles/storage.objectUser", invoker, googlelocal.Bucket)
	put("0 ü.txt", strings.Repeat("x", int(parts[0].Size)))
	for _, err := range parts[1].Lines(soon(t)) {
		if !errors.Is(err, splits.ErrChanged) {
			t.Errorf("%v, want ErrChanged", err)
		}
	}
}

func TestOptionsOfInputs(t *testing.T) {
	if !apart.Here(t) {
		return
	}
	isolate(t)
	for name, tt := range map[string]struct {
		bucket string
		opts   []cloudrun.InputOption
		want   string
	}{
		"name":     {"No_Bucket!", nil, "not the name of a bucket"},
		"nil":      {"logs", []cloudrun.InputOption{nil}, "option 0 is nil"},
		"nil func": {"logs", []cloudrun.InputOption{cloudrun.BucketOption(nil)}, "an option is nil"},
		"prefix":   {"logs", []cloudrun.InputOption{cloudrun.Prefix("x")}, "Prefix says nothing"},
		"queue":    {"logs", []cloudrun.InputOption{cloudrun.WithQueue("q")}, "WithQueue says nothing"},
		"bucket":   {"logs", []cloudrun.InputOption{cloudrun.WithBucket("other")}, "WithBucket says nothing"},
		"nobody":   {"logs", nil, "links have to be signed: which service account"},
	} {
		if _, err := cloudrun.OpenInputs(soon(t), tt.bucket, tt.opts...); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
}

// A bucket with logs, which functions on any backend read.
func ExampleOpenInputs() {
	google, done := exampleCredentials()
	defer done()
	ctx := context.Background()
	in, err := cloudrun.OpenInputs(ctx, "logs", cloudrun.WithEndpoint(google.URL()))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer in.Close()
	inputs := splits.Stored(ctx, in, "2026/", splits.Size(64<<20)) // for Map, Stream or a job of mapreduce
	fmt.Println(inputs != nil)
	link, err := in.LinkGet(ctx, "2026/a.txt", time.Hour)
	fmt.Println(strings.HasPrefix(link.URL, google.URL()+"/logs/2026/a.txt?"), err)
	_, err = in.List(ctx, "2026/", "")
	fmt.Println(err != nil) // this Google has no buckets
	// Output:
	// true
	// true <nil>
	// true
}
