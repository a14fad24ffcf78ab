// Agent compares a lambdapool agent with a bare handler on aws-lambda-go, both
// built as they are deployed: the time from starting the process to its first
// request for work, and the time and CPU of one call after another. The runtime
// API is a loopback server of this program. Both take turns that are short
// beside what else disturbs the machine; a ratio is the median of those of the
// rounds, in each of which both ran.
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
	starts = 201 // of each process, for the time until it asks for work
	rounds = 9   // of calls, each with new processes
	turns  = 80  // of each process in a round
	calls  = 100 // in a turn
	warmUp = 500 // calls before the first turn
)

// A subject is one of the binaries compared, with what was measured of it in
// each round.
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
	for range starts {
		for _, s := range subjects {
			p := s.launch(ctx)
			s.start = append(s.start, milliseconds(p.start))
			p.stop()
		}
		slices.Reverse(subjects) // nobody always comes after the other
	}
	for range rounds {
		round(ctx, subjects)
	}
	bare, pooled := subjects[0], subjects[1]
	if bare.name != "bare" {
		bare, pooled = pooled, bare
	}
	fmt.Fprintln(os.Stdout, "| | bare handler | agent | ratio |")
	fmt.Fprintln(os.Stdout, "|---|---|---|---|")
	row("start to first poll, ms", bare.start, pooled.start)
	row("one call, µs", bare.wall, pooled.wall)
	row("CPU of one call, µs", bare.cpu, pooled.cpu)
}

func row(what string, bare, pooled []float64) {
	ratios := make([]float64, len(bare))
	for i := range ratios {
		ratios[i] = pooled[i] / bare[i]
	}
	fmt.Fprintf(os.Stdout, "| %s | %.2f | %.2f | %.2f |\n", what, median(bare), median(pooled), median(ratios))
}

func median(xs []float64) float64 {
	slices.Sort(xs)
	return xs[len(xs)/2]
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// round has the subjects' processes, which are all there, take turns at calls.
// One that waits for its turn uses no CPU.
func round(ctx context.Context, subjects []*subject) {
	processes := make([]*running, len(subjects))
	wall, cpu := make([]time.Duration, len(subjects)), make([]float64, len(subjects))
	for i, s := range subjects {
		processes[i] = s.launch(ctx)
		processes[i].call(warmUp)
		cpu[i] = processes[i].cpuTime()
	}
	for turn := range turns {
		for i := range processes {
			i = (i + turn) % len(processes)
			wall[i] += processes[i].call(calls)
		}
	}
	for i, s := range subjects {
		s.wall = append(s.wall, float64(wall[i])/float64(time.Microsecond)/(turns*calls))
		s.cpu = append(s.cpu, (processes[i].cpuTime()-cpu[i])*1e6/(turns*calls))
		processes[i].stop()
	}
}

// A running is a process of a subject, and its runtime API.
type running struct {
	cmd     *exec.Cmd
	server  *http.Server
	start   time.Duration // until it asked for work
	number  int           // of calls
	work    chan int
	answers chan []byte
}

// launch starts the process and waits until it asks for work.
func (s *subject) launch(ctx context.Context) *running {
	polled := make(chan time.Time, 1)
	r := &running{work: make(chan int), answers: make(chan []byte)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /2018-06-01/runtime/invocation/next", func(w http.ResponseWriter, req *http.Request) {
		select {
		case polled <- time.Now():
		default:
		}
		select {
		case n := <-r.work:
			w.Header().Set("Lambda-Runtime-Aws-Request-Id", fmt.Sprint("request-", n))
			w.Header().Set("Lambda-Runtime-Deadline-Ms", fmt.Sprint(time.Now().Add(time.Minute).UnixMilli()))
			w.Header().Set("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:us-east-1:000000000000:function:bench")
			_, _ = w.Write(s.payload)
		case <-req.Context().Done():
		}
	})
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/response", func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		exitOn(err)
		w.WriteHeader(http.StatusAccepted)
		r.answers <- body
	})
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	exitOn(err)
	r.server = &http.Server{Handler: mux, ReadHeaderTimeout: time.Minute}
	go func() { _ = r.server.Serve(listener) }()

	r.cmd = exec.CommandContext(ctx, s.path) //nolint:gosec // built above
	r.cmd.Env = []string{"AWS_LAMBDA_RUNTIME_API=" + listener.Addr().String(), "AWS_LAMBDA_FUNCTION_MEMORY_SIZE=1769", "_HANDLER=bootstrap"}
	begun := time.Now()
	exitOn(r.cmd.Start())
	r.start = (<-polled).Sub(begun)
	return r
}

func (r *running) stop() {
	exitOn(r.cmd.Process.Kill())
	_ = r.cmd.Wait() // it was killed
	exitOn(r.server.Close())
}

// call makes n calls, one after another, and returns how long they took.
func (r *running) call(n int) time.Duration {
	begun := time.Now()
	for range n {
		r.number++
		r.work <- r.number
		if body := <-r.answers; strings.Contains(string(body), "errorMessage") {
			exitOn(fmt.Errorf("%s: %s", r.cmd.Path, body))
		}
	}
	return time.Since(begun)
}

// cpuTime returns the seconds of CPU that the process has used.
func (r *running) cpuTime() float64 {
	p, err := process.NewProcess(int32(r.cmd.Process.Pid))
	exitOn(err)
	times, err := p.Times()
	exitOn(err)
	return times.User + times.System
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
