// Agent compares a lambdapool agent with a bare handler on aws-lambda-go, both
// built as they are deployed: the time from starting the process to its first
// request for work, and the time and CPU of one call after another. The runtime
// API is a loopback server of this program; the median of interleaved rounds.
package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/shirou/gopsutil/v4/process"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/codec"
)

const (
	rounds = 41
	warmUp = 200
	calls  = 4000
)

// A subject is one of the binaries compared.
type subject struct {
	name, path string
	payload    []byte
	start      []float64 // ms
	wall, cpu  []float64 // µs for each call
}

func main() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "bench-agent")
	exitOn(err)
	defer func() { exitOn(os.RemoveAll(dir)) }()
	subjects := []*subject{
		{name: "bare", payload: []byte("41")},
		{name: "pooled", payload: request()},
	}
	for _, s := range subjects {
		s.path = filepath.Join(dir, s.name)
		build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-tags", "lambda.norpc", //nolint:gosec // fixed names
			"-ldflags", "-s -w -buildid=", "-o", s.path, "./bench/agent/"+s.name)
		build.Env, build.Stderr = append(os.Environ(), "CGO_ENABLED=0"), os.Stderr
		exitOn(build.Run())
	}
	for range rounds {
		for _, s := range subjects {
			s.start = append(s.start, s.run(ctx, 0))
		}
	}
	for range 5 {
		for _, s := range subjects {
			s.run(ctx, calls)
		}
	}
	fmt.Fprintln(os.Stdout, "| | bare handler | agent | ratio |")
	fmt.Fprintln(os.Stdout, "|---|---|---|---|")
	row("start to first poll, ms", subjects, func(s *subject) []float64 { return s.start })
	row("one call, µs", subjects, func(s *subject) []float64 { return s.wall })
	row("CPU of one call, µs", subjects, func(s *subject) []float64 { return s.cpu })
}

func row(what string, subjects []*subject, of func(*subject) []float64) {
	bare, pooled := median(of(subjects[0])), median(of(subjects[1]))
	fmt.Fprintf(os.Stdout, "| %s | %.2f | %.2f | %.2f |\n", what, bare, pooled, pooled/bare)
}

func median(xs []float64) float64 {
	slices.Sort(xs)
	return xs[len(xs)/2]
}

// run starts the process, gives it calls, and returns how long it took to ask
// for the first, in milliseconds.
func (s *subject) run(ctx context.Context, calls int) (start float64) {
	polled := make(chan struct{}, 1)
	work, answers := make(chan int), make(chan []byte)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /2018-06-01/runtime/invocation/next", func(w http.ResponseWriter, r *http.Request) {
		select {
		case polled <- struct{}{}:
		default:
		}
		select {
		case n := <-work:
			w.Header().Set("Lambda-Runtime-Aws-Request-Id", fmt.Sprint("request-", n))
			w.Header().Set("Lambda-Runtime-Deadline-Ms", fmt.Sprint(time.Now().Add(time.Minute).UnixMilli()))
			w.Header().Set("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:us-east-1:000000000000:function:bench")
			_, _ = w.Write(s.payload)
		case <-r.Context().Done():
		}
	})
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/response", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		exitOn(err)
		w.WriteHeader(http.StatusAccepted)
		answers <- body
	})
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	exitOn(err)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(listener) }()
	defer func() { exitOn(server.Close()) }()

	cmd := exec.CommandContext(ctx, s.path) //nolint:gosec // built above
	cmd.Env = []string{"AWS_LAMBDA_RUNTIME_API=" + listener.Addr().String(), "AWS_LAMBDA_FUNCTION_MEMORY_SIZE=1769", "_HANDLER=bootstrap"}
	begun := time.Now()
	exitOn(cmd.Start())
	<-polled
	start = float64(time.Since(begun)) / float64(time.Millisecond)
	if calls > 0 {
		s.measure(cmd.Process.Pid, calls, work, answers)
	}
	exitOn(cmd.Process.Kill())
	_ = cmd.Wait() // it was killed
	return start
}

func (s *subject) measure(pid, calls int, work chan<- int, answers <-chan []byte) {
	child, err := process.NewProcess(int32(pid))
	exitOn(err)
	one := func(n int) {
		work <- n
		if body := <-answers; strings.Contains(string(body), "errorMessage") {
			exitOn(fmt.Errorf("%s: %s", s.name, body))
		}
	}
	for n := range warmUp {
		one(n)
	}
	before, err := child.Times()
	exitOn(err)
	begun := time.Now()
	for n := range calls {
		one(n)
	}
	took := time.Since(begun)
	after, err := child.Times()
	exitOn(err)
	s.wall = append(s.wall, float64(took)/float64(time.Microsecond)/float64(calls))
	s.cpu = append(s.cpu, (after.User+after.System-before.User-before.System)*1e6/float64(calls))
}

// request is a call of the agent's function.
func request() []byte {
	registry := lambdapool.NewRegistry()
	lambdapool.RegisterIn(registry, "next", func(_ context.Context, n int) (int, error) { return n, nil })
	f, _ := registry.Lookup("next")
	typ, err := codec.TypeOf(reflect.TypeFor[int]())
	exitOn(err)
	n := 41
	args, err := codec.Marshal([]*codec.Type{typ}, []reflect.Value{reflect.ValueOf(&n).Elem()})
	exitOn(err)
	payload, err := codec.EncodeRequest(&codec.Request{ID: "bench-1", Func: "next", Shape: f.Fingerprint(), Items: [][]byte{args}})
	exitOn(err)
	return payload
}

func exitOn(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
