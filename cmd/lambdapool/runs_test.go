package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/agent"
	"github.com/lambdapool/lambdapool/backend/awslambda"
	"github.com/lambdapool/lambdapool/internal/detached"
	"github.com/lambdapool/lambdapool/internal/s3local"
)

// withBucket serves S3 with one empty bucket, and has the environment say so. What is sent to
// the channel is called at the next listing of a run.
func withBucket(t *testing.T) chan<- func() {
	t.Helper()
	listing := make(chan func(), 1)
	server, err := s3local.Open(s3local.Config{
		Dir: t.TempDir(), Buckets: []string{"payloads"},
		AccessKeyID: os.Getenv("AWS_ACCESS_KEY_ID"), SecretAccessKey: os.Getenv("AWS_SECRET_ACCESS_KEY"),
		Wrap: func(s3 http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if strings.Contains(r.URL.Query().Get("prefix"), "/runs/") {
					select {
					case f := <-listing:
						f()
					default:
					}
				}
				s3.ServeHTTP(w, r)
			})
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	t.Setenv("AWS_ENDPOINT_URL_S3", server.Endpoint())
	t.Setenv(bucketVariable, "payloads/team/a")
	return listing
}

// A lab runs agents in this process, and records their runs in the bucket.
type lab struct {
	store    lambdapool.Store
	agent    *agent.Handler
	registry *lambdapool.Registry
	executor *lambdapool.Executor
	begun    chan struct{} // a call of stay has begun
	release  chan struct{} // closed: they may end

	life   context.Context // of the agents
	slots  chan struct{}   // held by each that runs
	agents sync.WaitGroup
}

func (l *lab) Store() lambdapool.Store { return l.store }

func (l *lab) StoreOption() string { return "" }

func (l *lab) Limits() lambdapool.Limits { return lambdapool.Limits{Timeout: time.Minute} }

func (l *lab) EventLimits() lambdapool.EventLimits { return lambdapool.EventLimits{Age: time.Hour} }

func (l *lab) Invoke(context.Context, *lambdapool.Request) (*lambdapool.Response, error) {
	return nil, errors.New("nobody waits here")
}

func (l *lab) InvokeEvent(_ context.Context, r *lambdapool.Request) (string, error) {
	id := rand.Text()
	ctx := lambdacontext.NewContext(l.life, &lambdacontext.LambdaContext{AwsRequestID: "request-" + id})
	l.agents.Go(func() {
		select {
		case l.slots <- struct{}{}:
			defer func() { <-l.slots }()
			_, _ = l.agent.Invoke(ctx, r.Payload) // nobody reads the answer
		case <-ctx.Done():
		}
	})
	return id, l.life.Err()
}

type spot struct {
	X, Y int
	Name string
}

func newLab(t *testing.T, concurrency int) *lab {
	t.Helper()
	b, err := awslambda.New(t.Context(), "none", awslambda.WithBucket("payloads", awslambda.Prefix("team/a"), awslambda.PathStyle()))
	if err != nil {
		t.Fatal(err)
	}
	life, end := context.WithCancel(context.Background())
	l := &lab{store: b.Store(), registry: lambdapool.NewRegistry(), life: life, slots: make(chan struct{}, concurrency), begun: make(chan struct{}, 100), release: make(chan struct{})}
	r := l.registry
	lambdapool.RegisterIn(r, "locate", func(_ context.Context, n int) (spot, error) {
		switch {
		case n == 0:
			panic("nowhere")
		case n < 0:
			return spot{}, errors.New("<behind>")
		}
		return spot{n, -n, strings.Repeat("é", n%3)}, nil
	})
	lambdapool.RegisterIn(r, "stay", func(ctx context.Context, n int) (int, error) {
		l.begun <- struct{}{}
		select {
		case <-l.release:
		case <-ctx.Done():
		}
		return n, ctx.Err()
	})
	lambdapool.RegisterIn(r, "tree", func(context.Context, int) (node, error) { return node{}, nil })
	lambdapool.RegisterIn(r, "ratio", func(_ context.Context, n float64) (float64, error) { return 1 / n, nil })
	l.agent = agent.NewHandler(r)
	l.agent.Guest = true
	if l.executor, err = lambdapool.New(l, lambdapool.WithRegistry(r)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		end()
		l.agents.Wait()
		if err := errors.Join(l.executor.Close(), b.Close()); err != nil {
			t.Error(err)
		}
	})
	return l
}

type node struct{ Next *node }

// start starts a run. Arguments are those of its calls, one each.
func (l *lab) start(t *testing.T, name, function string, args ...any) *lambdapool.Run[any] {
	t.Helper()
	var lists [][]any
	for _, arg := range args {
		lists = append(lists, []any{arg})
	}
	run, err := lambdapool.StarMapDetached(t.Context(), l.executor, function, lists, lambdapool.RunName(name))
	if err != nil {
		t.Fatal(err)
	}
	return run
}

// put stores an object behind the runs' back.
func (l *lab) put(t *testing.T, key string, body []byte) {
	t.Helper()
	if err := l.store.Put(t.Context(), key, bytes.NewReader(body), int64(len(body)), sha256.Sum256(body)); err != nil {
		t.Fatal(err)
	}
}

// old leaves a run whose retention is over.
func (l *lab) old(t *testing.T, name string) {
	t.Helper()
	f, ok := l.registry.Lookup("locate")
	if !ok {
		t.Fatal("locate is not registered")
	}
	then := time.Now().Add(-240 * time.Hour)
	m := detached.Manifest{
		ID: name, Func: f.Name(), Shape: f.Shape(), Signature: f.Signature(), Fingerprint: f.Fingerprint(), Items: 1, Chunk: 1, Timeout: detached.Duration(time.Minute),
		Created: then, StartBy: then.Add(time.Hour), RecordBy: then.Add(2 * time.Hour), KeepUntil: then.Add(168 * time.Hour),
	}
	body, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	l.put(t, detached.IndexKey(name), body)
	l.put(t, detached.SentKey(name), []byte("{}"))
}

func TestRunsFromInvokeToDelete(t *testing.T) {
	s := withLocal(t)
	withBucket(t)
	s.want(0, "fibonacci", "create", "demo", algorithms)
	s.want(0, "no runs here", "runs")
	s.want(2, "is a JSON string, not an int", "invoke", "demo", "fibonacci", "--detached", `"x"`)
	s.want(1, "did you mean fibonacci?", "invoke", "demo", "fibonaci", "--detached", "1")
	id := strings.TrimSpace(s.want(0, "lambdapool runs results", "invoke", "demo", "fibonacci", "30", "--detached", "--retention", "48h", "--start-within", "5m"))
	if out := s.want(0, "", "runs", "results", id, "--wait"); out != `{"call":0,"value":832040}`+"\n" {
		t.Errorf("results printed %q", out)
	}
	named := s.want(0, "", "invoke", "demo", "factorial", "--detached", "--run-name", "neg", "--json", "--", "-1")
	if !strings.Contains(named, `"id": "neg"`) {
		t.Errorf("invoke --json printed %s", named)
	}
	s.want(1, "run exists", "invoke", "demo", "factorial", "--detached", "--run-name", "neg", "--", "-2")
	s.want(0, "1 failed", "runs", "show", "neg", "--follow")
	s.want(1, `"message":"factorial(-1): negative"`, "runs", "results", "neg")
	s.want(2, "which function?", "runs", "retry", "neg")
	s.want(0, "run neg.retry-1 has the 1 call of neg that failed", "runs", "retry", "neg", "--function", "demo")
	s.want(1, `"message":"factorial(-1): negative"`, "runs", "results", "neg.retry-1", "--wait")
	s.want(2, "no call of run "+id+" has failed", "runs", "retry", id, "--function", "demo")
	s.want(1, "run not found", "runs", "retry", "another", "--function", "demo")
	s.want(0, "1 succeeded", "runs", "--state")
	s.want(0, "nothing of neg is queued", "runs", "cancel", "neg")
	s.want(0, "nothing to clean", "runs", "clean")

	s.want(2, "delete run neg (1 failed)? [y/N]", "runs", "delete", "neg")
	s.stdin = "n\n"
	s.want(1, "nothing was deleted", "runs", "delete", "neg")
	s.stdin = "y\n"
	s.want(0, "deleted run neg", "runs", "delete", "neg")
	s.want(1, "run not found", "runs", "delete", "neg", "--yes")
	s.want(1, "run not found", "runs", "show", "neg")
	t.Setenv(bucketVariable, "other")
	s.want(1, "NoSuchBucket", "runs", "--bucket", "other")
}

func TestRunsThatAreUnderWay(t *testing.T) {
	s := newShell(t, "http://127.0.0.1:1", "AKIAEXAMPLE", "secret")
	withBucket(t)
	l := newLab(t, 2)
	l.start(t, "stuck", "stay", 1, 2, 3, 4, 5)
	<-l.begun
	<-l.begun
	s.want(0, "stuck  stay      5 ", "runs")
	s.want(0, "3 queued, 2 running", "runs", "--state")
	s.want(0, "5 of 5 calls", "runs", "show", "stuck")
	running := s.want(0, "request-", "runs", "show", "stuck", "--calls=running")
	if strings.Count(running, " so far ") != 2 || strings.Contains(running, "queued  ") {
		t.Errorf("running invocations: %s", running)
	}
	s.want(0, "no such invocations", "runs", "show", "stuck", "--calls=expired")
	if out := s.want(1, "5 of 5 calls missing, as they have not ended", "runs", "results", "stuck"); out != "" {
		t.Errorf("results: %s", out)
	}

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stderr := ctrlC{end: cancel}
	a := &app{stdin: strings.NewReader(""), stdout: io.Discard, stderr: &stderr}
	if code := a.run(ctx, []string{"runs", "show", "stuck", "--follow"}); code != 1 || !strings.Contains(stderr.String(), "stuck  0 of 5 ended  3 queued, 2 running\nlambdapool: interrupted; stuck goes on") {
		t.Errorf("exit code %d: %s", code, stderr.String())
	}

	s.want(2, "nobody answers", "runs", "cancel", "stuck")
	s.stdin = "no\n"
	s.want(1, "nothing was canceled", "runs", "cancel", "stuck")
	s.stdin = "yes\n"
	s.want(0, "canceled 3 calls of stuck; 2 run on", "runs", "cancel", "stuck")
	s.want(1, "2 of 5 calls missing, as they have not ended (--wait waits), and 3 failed", "runs", "results", "stuck")
	s.stdin = ""
	s.want(2, "what has not ended is lost", "runs", "delete", "stuck")

	close(l.release)
	s.want(0, "2 succeeded, 3 canceled", "runs", "show", "stuck", "--follow")
	out := s.want(1, "3 of 5 calls failed", "runs", "results", "stuck", "--wait", "--unordered")
	if strings.Count(out, `"kind":"canceled"`) != 3 || strings.Count(out, `"value":`) != 2 {
		t.Errorf("results: %s", out)
	}
}

// ctrlC ends the command as soon as it says something.
type ctrlC struct {
	strings.Builder

	end func()
}

func (c *ctrlC) Write(p []byte) (int, error) {
	c.end()
	return c.Builder.Write(p)
}

func TestRunResults(t *testing.T) {
	s := newShell(t, "http://127.0.0.1:1", "AKIAEXAMPLE", "secret")
	withBucket(t)
	l := newLab(t, 8)
	if _, err := l.start(t, "spots", "locate", 1, -1, 3, 0).Wait(t.Context()); err == nil {
		t.Error("nothing failed")
	}
	l.start(t, "trees", "tree", 1)
	if _, err := l.start(t, "ratios", "ratio", 4.0, 0.0).Wait(t.Context()); err != nil {
		t.Error(err)
	}

	for _, how := range [][]string{nil, {"--wait"}} {
		out := s.want(1, "2 of 4 calls failed", append([]string{"runs", "results", "spots"}, how...)...)
		lines := strings.Split(strings.TrimSpace(out), "\n")
		if len(lines) != 4 {
			t.Fatalf("%v: %d lines: %s", how, len(lines), out)
		}
		for i, want := range []string{
			`{"call":0,"value":{"X":1,"Y":-1,"Name":"é"}}`,
			`{"call":1,"error":{"kind":"function","type":"*errors.errorString","message":"<behind>","request_id":"request-`,
			`{"call":2,"value":{"X":3,"Y":-3,"Name":""}}`,
			`{"call":3,"error":{"kind":"panic","type":"string","message":"nowhere","stack":"`,
		} {
			if !strings.HasPrefix(lines[i], want) || !json.Valid([]byte(lines[i])) {
				t.Errorf("%v: line %d is %s, want %s", how, i, lines[i], want)
			}
		}
	}
	s.want(0, "deliveries      4, and 0 duplicates", "runs", "show", "spots")
	s.want(1, "main.node contains itself", "runs", "results", "trees")
	s.want(1, `{"call":1,"error":{"kind":"no JSON"`, "runs", "results", "ratios")
}

func TestResultsGoToAFile(t *testing.T) {
	s := newShell(t, "http://127.0.0.1:1", "AKIAEXAMPLE", "secret")
	listing := withBucket(t)
	l := newLab(t, 8)
	if _, err := l.start(t, "spots", "locate", 1, 2).Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	l.start(t, "stuck", "stay", 1)
	dir := t.TempDir()
	file := filepath.Join(dir, "results.jsonl")
	read := func() string {
		t.Helper()
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	s.want(0, "", "runs", "results", "spots", "--output", file)
	if got := read(); strings.Count(got, "\n") != 2 {
		t.Errorf("the file has %q", got)
	}

	// What is interrupted leaves the file as it was.
	ctx, cancel := context.WithCancel(t.Context())
	listing <- cancel
	var stderr bytes.Buffer
	a := &app{stdin: strings.NewReader(""), stdout: io.Discard, stderr: &stderr}
	if code := a.run(ctx, []string{"runs", "results", "stuck", "--wait", "-o", file}); code != 1 || !strings.Contains(stderr.String(), "the run goes on") {
		t.Errorf("exit code %d: %s", code, &stderr)
	}
	if got := read(); strings.Count(got, "\n") != 2 {
		t.Errorf("the file has %q", got)
	}

	// What is missing is no reason not to keep the rest.
	s.want(1, "1 of 1 call missing", "runs", "results", "stuck", "-o", file)
	if got := read(); got != "" {
		t.Errorf("the file has %q", got)
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 1 {
		t.Errorf("%d files are left, %v", len(left), err)
	}

	s.want(2, "output", "runs", "results", "spots", "-o", filepath.Join(dir, "none", "file"))
	s.want(0, "", "runs", "results", "spots", "-o", os.DevNull)
	a = &app{stdin: strings.NewReader(""), stdout: full{}, stderr: &stderr}
	if code := a.run(t.Context(), []string{"runs", "results", "spots"}); code != 1 || !strings.Contains(stderr.String(), "no space left") {
		t.Errorf("exit code %d: %s", code, &stderr)
	}
}

// full is a disk without room.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left") }

func TestRunsWhoseRetentionIsOver(t *testing.T) {
	s := newShell(t, "http://127.0.0.1:1", "AKIAEXAMPLE", "secret")
	withBucket(t)
	l := newLab(t, 8)
	if _, err := l.start(t, "new", "locate", 1).Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	l.old(t, "old-1")
	l.old(t, "old-2")
	s.want(0, "which is over", "runs")
	s.want(0, "1 expired", "runs", "show", "old-1") // nobody ever began it
	s.want(0, "would delete run old-2", "runs", "clean", "--dry-run")
	s.want(2, "delete 2 runs: old-1, old-2? [y/N]", "runs", "clean")
	s.stdin = "y\n"
	s.want(0, "deleted run old-2", "runs", "clean")
	s.want(0, "nothing to clean", "runs", "clean", "--dry-run")

	// One that cannot be read hides no other, and is not cleaned away.
	l.put(t, detached.IndexKey("broken"), []byte("{"))
	l.old(t, "old-3")
	s.want(1, "1 of 3 runs cannot be read", "runs")
	s.want(1, "the manifest is damaged", "runs", "--json")
	s.want(1, "deleted run old-3", "runs", "clean", "--yes")
	s.want(0, "deleted run broken", "runs", "delete", "broken", "--yes")
	s.want(0, "new", "runs")
}

// record leaves the manifest of a run of some function.
func (l *lab) record(t *testing.T, name, function string, change ...func(*detached.Manifest)) {
	t.Helper()
	r, now := lambdapool.NewRegistry(), time.Now()
	lambdapool.RegisterFuncIn(r, function, func(n int) int { return n })
	f, ok := r.Lookup(function)
	if !ok {
		t.Fatal(function + " is not registered")
	}
	m := detached.Manifest{
		ID: name, Func: f.Name(), Shape: f.Shape(), Signature: f.Signature(), Fingerprint: f.Fingerprint(), Items: 1, Chunk: 1, Timeout: detached.Duration(time.Minute),
		Created: now, StartBy: now.Add(time.Hour), RecordBy: now.Add(2 * time.Hour), KeepUntil: now.Add(168 * time.Hour),
	}
	for _, f := range change {
		f(&m)
	}
	body, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	l.put(t, detached.IndexKey(name), body)
	l.put(t, detached.SentKey(name), []byte("{}"))
}

// The second phase of a job goes with the first, and nothing else does.
func TestRunsOfJobsAreDeleted(t *testing.T) {
	s := newShell(t, "http://127.0.0.1:1", "AKIAEXAMPLE", "secret")
	withBucket(t)
	l := newLab(t, 1)
	l.record(t, "both", "words/map")
	l.record(t, "both.reduce", "words/reduce")
	l.record(t, "objects", "words/map")
	l.record(t, "objects.reduce", "words/write")
	l.record(t, "mine", "words/map")
	l.record(t, "mine.reduce", "locate") // only its name is that of a second phase
	l.record(t, "two", "words/map")
	l.record(t, "two.reduce", "others/reduce")
	l.record(t, "plain", "locate")
	l.record(t, "plain.reduce", "locate")
	l.record(t, "once", "words/map")                                                    // nobody has attached
	l.record(t, "strange", "words/map", func(m *detached.Manifest) { m.Fingerprint++ }) // cannot be read
	l.record(t, "last", "words/map")
	l.record(t, "last.reduce", "words/reduce")

	s.stdin = "n\n"
	s.want(1, "delete run both (1 queued) and its second phase both.reduce (1 queued); what has not ended is lost", "runs", "delete", "both")
	for _, name := range []string{"both", "objects"} {
		if out := s.want(0, "", "runs", "delete", name, "--yes"); out != "deleted run "+name+".reduce, the second phase of "+name+"\ndeleted run "+name+"\n" {
			t.Errorf("printed %q", out)
		}
	}
	for _, name := range []string{"mine", "two", "plain", "once", "strange", "last.reduce"} {
		if out := s.want(0, "", "runs", "delete", name, "--yes"); out != "deleted run "+name+"\n" {
			t.Errorf("printed %q", out)
		}
	}
	var left []struct{ ID string }
	if err := json.Unmarshal([]byte(s.want(0, "", "runs", "--json")), &left); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, run := range left {
		names = append(names, run.ID)
	}
	if got := strings.Join(names, " "); got != "last mine.reduce plain.reduce two.reduce" {
		t.Errorf("left: %s", got)
	}
}

func TestRunsHaveJSON(t *testing.T) {
	s := newShell(t, "http://127.0.0.1:1", "AKIAEXAMPLE", "secret")
	withBucket(t)
	if out := s.want(0, "[]", "runs", "--json"); strings.TrimSpace(out) != "[]" {
		t.Errorf("no runs are %q", out)
	}
	l := newLab(t, 8)
	if _, err := l.start(t, "spots", "locate", 1, -2).Wait(t.Context()); err == nil {
		t.Fatal("nothing failed")
	}
	var list []struct {
		ID    string `json:"id"`
		State struct {
			Succeeded, Failed int
		} `json:"state"`
	}
	if err := json.Unmarshal([]byte(s.want(0, "", "runs", "--state", "--json")), &list); err != nil || len(list) != 1 || list[0].ID != "spots" || list[0].State.Succeeded != 1 {
		t.Errorf("%+v, %v", list, err)
	}
	var shown struct {
		Calls       int `json:"calls"`
		Deliveries  int `json:"deliveries"`
		Invocations []struct {
			First    int    `json:"first_call"`
			Instance string `json:"instance"`
		} `json:"invocations"`
	}
	out := s.want(0, "", "runs", "show", "spots", "--calls=failed", "--json")
	if err := json.Unmarshal([]byte(out), &shown); err != nil || shown.Calls != 2 || shown.Deliveries != 2 ||
		len(shown.Invocations) != 1 || shown.Invocations[0].First != 1 || shown.Invocations[0].Instance == "" {
		t.Errorf("%s, %v", out, err)
	}
}

// The bucket may be said in three places, and as little of it as there is to say.
func TestWhereTheBucketIsSaid(t *testing.T) {
	s := newShell(t, "http://127.0.0.1:1", "AKIAEXAMPLE", "secret")
	withBucket(t)
	l := newLab(t, 8)
	l.start(t, "spots", "locate", 1)
	endpoint := os.Getenv("AWS_ENDPOINT_URL_S3")
	file := filepath.Join(t.TempDir(), "p.yaml")
	if err := os.WriteFile(file, []byte("bucket: payloads/team/a\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.want(0, "spots", "runs")
	s.want(0, "no runs here", "runs", "--bucket", "payloads")
	t.Setenv(bucketVariable, "payloads/other")
	s.want(0, "no runs here", "runs")
	s.want(0, "spots", "runs", "-f", file)
	s.want(0, "spots", "runs", "--bucket", "s3://payloads/team/a/")
	t.Setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1")
	s.want(0, "spots", "runs", "-f", file, "--bucket-endpoint", endpoint)
	t.Setenv(bucketVariable, "")
	s.want(2, "which bucket?", "runs")
}

func TestTheNamesOfRunsAreCompleted(t *testing.T) {
	s := newShell(t, "http://127.0.0.1:1", "AKIAEXAMPLE", "secret")
	withBucket(t)
	newLab(t, 8).start(t, "spots", "locate", 1)
	for _, command := range []string{"show", "results", "cancel", "delete"} {
		s.want(0, "spots\n", "__complete", "runs", command, "")
	}
}
