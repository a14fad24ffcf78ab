package awslambda_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/awslambda"
	"github.com/lambdapool/lambdapool/backend/inproc"
	"github.com/lambdapool/lambdapool/internal/s3local"
	"github.com/lambdapool/lambdapool/splits"
)

var readLines = lambdapool.Register("awslambda_test.readLines", func(ctx context.Context, s splits.Split) (lines []string, err error) {
	for line, err := range s.Lines(ctx) {
		if err != nil {
			return nil, err
		}
		lines = append(lines, string(line))
	}
	return lines, nil
})

// inputs opens the bucket at endpoint.
func inputs(t *testing.T, endpoint, secret string) *awslambda.Inputs {
	t.Helper()
	in, err := awslambda.OpenInputs(t.Context(), "payloads", awslambda.WithStaticCredentials(testKeyID, secret, testToken),
		awslambda.BucketRegion("us-east-1"), awslambda.BucketEndpoint(endpoint), awslambda.PathStyle())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = in.Close() }) // returns nil
	return in
}

// A bucket that is no backend's store has inputs for functions of another backend, by links. All that is asked of it reads.
func TestInputs(t *testing.T) {
	var mu sync.Mutex
	asked := map[string]int{}
	endpoint := fakeS3(t, func(cfg *s3local.Config) {
		cfg.Wrap = func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				mu.Lock()
				asked[r.Method]++
				mu.Unlock()
				next.ServeHTTP(w, r)
			})
		}
	})
	owner := withStore(t, endpoint, awslambda.Prefix("logs"))
	put := func(key, text string) {
		t.Helper()
		if err := owner.Put(t.Context(), key, strings.NewReader(text), int64(len(text)), sha256.Sum256([]byte(text))); err != nil {
			t.Fatal(err)
		}
	}
	var want []string
	for i := range 20 {
		name, text := fmt.Sprintf("%02d ü.txt", i), ""
		for n := range 30 {
			want = append(want, fmt.Sprint(i, " ", n))
			text += want[len(want)-1] + "\n"
		}
		put(name, text)
	}
	clear(asked)
	in := inputs(t, endpoint, testSecret)
	b := inproc.New()
	defer b.Close()
	e, err := lambdapool.New(b)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	var got []string
	for lines, err := range lambdapool.StreamFrom(t.Context(), e, readLines, splits.Stored(t.Context(), in, "logs/", splits.Size(50))) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, lines...)
	}
	if !slices.Equal(got, want) {
		t.Errorf("%d lines, want %d", len(got), len(want))
	}
	mu.Lock()
	if len(asked) != 1 || asked["GET"] == 0 {
		t.Errorf("requests: %v, want GET alone", asked)
	}
	mu.Unlock()
	parts, err := splits.Collect(splits.Stored(t.Context(), in, "logs/00", splits.Size(50)))
	if err != nil || len(parts) < 2 {
		t.Fatalf("%d splits, %v", len(parts), err)
	}
	put("00 ü.txt", strings.Repeat("x", int(parts[0].Size)))
	for _, err := range parts[1].Lines(t.Context()) {
		if !errors.Is(err, splits.ErrChanged) {
			t.Errorf("%v, want ErrChanged", err)
		}
	}
}

// Who may not read the bucket is told what is missing, in rights to read.
func TestInputsOfOthers(t *testing.T) {
	in := inputs(t, fakeS3(t), "another secret")
	_, err := splits.Collect(splits.Stored(t.Context(), in, ""))
	var refused *lambdapool.InvokeError
	if !errors.As(err, &refused) || !errors.Is(err, lambdapool.ErrAccessDenied) || !strings.Contains(refused.Hint, "s3:GetObject") || strings.Contains(refused.Hint, "PutObject") {
		t.Errorf("%v", err)
	}
}

func TestOptionsOfInputs(t *testing.T) {
	static := awslambda.WithStaticCredentials("id", "secret", "")
	for name, tt := range map[string]struct {
		bucket string
		opts   []awslambda.InputOption
		want   string
	}{
		"name":      {"No_Bucket", nil, "not the name of a bucket"},
		"nil":       {"logs", []awslambda.InputOption{nil}, "option 0 is nil"},
		"nil func":  {"logs", []awslambda.InputOption{awslambda.Option(nil)}, "an option is nil"},
		"prefix":    {"logs", []awslambda.InputOption{awslambda.Prefix("x")}, "Prefix says nothing"},
		"threshold": {"logs", []awslambda.InputOption{awslambda.Threshold(1)}, "Threshold says nothing"},
		"bucket":    {"logs", []awslambda.InputOption{awslambda.WithBucket("other")}, "WithBucket says nothing"},
		"endpoint":  {"logs", []awslambda.InputOption{awslambda.WithEndpoint("http://127.0.0.1:1")}, "WithEndpoint says nothing"},
		"region":    {"logs", []awslambda.InputOption{awslambda.BucketRegion("")}, "empty region"},
		"nowhere":   {"logs", []awslambda.InputOption{static}, "no region"},
	} {
		if _, err := awslambda.OpenInputs(t.Context(), tt.bucket, tt.opts...); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
}

// A bucket with logs, which functions on any backend read.
func ExampleOpenInputs() {
	ctx := context.Background()
	in, err := awslambda.OpenInputs(ctx, "logs", awslambda.WithRegion("eu-central-1"), awslambda.WithStaticCredentials("id", "secret", ""))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer in.Close()
	inputs := splits.Stored(ctx, in, "2026/", splits.Size(64<<20)) // for Map, Stream or a job of mapreduce
	fmt.Println(inputs != nil)
	// Output: true
}

func ExampleInputs() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "bucket")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	standIn, err := s3local.Open(s3local.Config{Dir: dir, Buckets: []string{"logs"}, AccessKeyID: "id", SecretAccessKey: "secret"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer standIn.Close()
	in, err := awslambda.OpenInputs(ctx, "logs", awslambda.WithStaticCredentials("id", "secret", ""), awslambda.WithRegion("us-east-1"),
		awslambda.BucketEndpoint(standIn.Endpoint()), awslambda.PathStyle())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer in.Close()
	list, err := in.List(ctx, "2026/", "")
	fmt.Println(len(list.Objects), list.More, err)
	link, err := in.LinkGet(ctx, "2026/a.txt", time.Hour)
	fmt.Println(strings.HasPrefix(link.URL, standIn.Endpoint()+"/logs/2026/a.txt?"), err)
	// Output:
	// 0 false <nil>
	// true <nil>
}
