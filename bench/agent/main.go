// Agent compares a lambdapool agent with a bare handler on aws-lambda-go, with itself in isolation, and with the
// agent behind HTTP that containers run, all built as they are deployed: the time from starting the process to its first
// request for work, or until its port takes a connection, the time and CPU of one call after another, and of one chunk after
// another, and the size of the binary. The runtime API is a loopback server of this program, and so is who calls the agent
// behind HTTP. All take turns that are short beside what else disturbs the machine; a ratio is the median of those of the
// rounds, in each of which all ran.
package main

import (
	"context"
	"errors"
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
	"github.com/lambdapool/lambdapool/internal/isolate"
)

const (
	starts = 201 // of each process, for the time until it asks for work
	rounds = 9   // of calls, each with new processes
	turns  = 80  // of each process in a round
	calls  = 100 // in a turn
	warmUp = 500 // calls before the first turn
)

// A subject is one of the agents compared, with what was measured of it in
// each round.
type subject struct {
	name, program string
	env           []string
	payload       []byte
	http          bool      // it is called over HTTP, not by a runtime API
	start         []float64 // ms
	wall, cpu     []float64 // µs for each call
}

// pooled is the program with lambdapool's agent, and served the same with the server for HTTP in it; "bare" has none.
const (
	pooled = "pooled"
	served = "served"
)

// chunkItems is how many items a chunk has: trivial ones.
const chunkItems = 100

func main() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "bench-agent")
	exitOn(err)
	defer func() { exitOn(os.RemoveAll(dir)) }()
	build(ctx, dir, "bare", "bare", "lambda.norpc,lambdapool.nohttp")
	build(ctx, dir, pooled, "pooled", "lambda.norpc,lambdapool.nohttp")
	build(ctx, dir, served, "pooled", "lambda.norpc")
	isolated := []string{isolate.Variable + "=" + isolate.On}
	single := compare(ctx, dir, []*subject{
		{name: "bare handler", program: "bare", payload: []byte("41")},
		{name: "agent", program: pooled, payload: request(1)},
		{name: "agent, isolated", program: pooled, env: isolated, payload: request(1)},
		{name: "agent behind HTTP", program: served, http: true, payload: frame(1)},
	}, starts)
	chunks := compare(ctx, dir, []*subject{
		{name: "agent", program: pooled, payload: request(chunkItems)},
		{name: "agent, isolated", program: pooled, env: isolated, payload: request(chunkItems)},
		{name: "agent behind HTTP", program: served, http: true, payload: frame(chunkItems)},
	}, 0)
	bare, agent, alone, behind := single[0], single[1], single[2], single[3]
	fmt.Fprintln(os.Stdout, "| | bare handler | agent | ratio | isolated | to the agent | HTTP | to the agent |")
	fmt.Fprintln(os.Stdout, "|---|---|---|---|---|---|---|---|")
	row("start until it can be called, ms", bare.start, agent.start, alone.start, behind.start)
	row("one call, µs", bare.wall, agent.wall, alone.wall, behind.wall)
	row("CPU of one call, µs", bare.cpu, agent.cpu, alone.cpu, behind.cpu)
	agent, alone, behind = chunks[0], chunks[1], chunks[2]
	row(fmt.Sprintf("a chunk of %d, µs", chunkItems), nil, agent.wall, alone.wall, behind.wall)
	row(fmt.Sprintf("CPU of a chunk of %d, µs", chunkItems), nil, agent.cpu, alone.cpu, behind.cpu)
	row("binary, MB", size(dir, "bare"), size(dir, pooled), size(dir, pooled), size(dir, served))
}

// build builds a program below this directory as it is deployed.
func build(ctx context.Context, dir, name, program, tags string) {
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-tags", tags, //nolint:gosec // fixed names
		"-ldflags", "-s -w -buildid=", "-o", filepath.Join(dir, name), "./agent/"+program)
	cmd.Env, cmd.Stderr = append(os.Environ(), "CGO_ENABLED=0"), os.Stderr
	exitOn(cmd.Run())
}

// size is that of a binary, in MB, as the only measurement of it.
func size(dir, name string) []float64 {
	stat, err := os.Stat(filepath.Join(dir, name))
	exitOn(err)
	return []float64{float64(stat.Size()) / 1e6}
}

// compare measures subjects in turn, and returns them.
func compare(ctx context.Context, dir string, subjects []*subject, starts int) []*subject {
	for _, s := range subjects {
		s.program = filepath.Join(dir, s.program)
	}
	turn := slices.Clone(subjects)
	for range starts {
		for _, s := range turn {
			p := s.launch(ctx)
			s.start = append(s.start, milliseconds(p.start))
			p.stop()
		}
		slices.Reverse(turn) // nobody always comes after the other
	}
	for range rounds {
		round(ctx, subjects)
	}
	return subjects
}

// row prints medians, and the medians of the ratios in each round. There may be no bare handler.
func row(what string, bare, agent, isolated, behind []float64) {
	first, ratio := "", ""
	ofIsolated := ratios(isolated, agent)
	if bare != nil {
		ratio = fmt.Sprintf("%.2f", ratios(agent, bare))
		first = fmt.Sprintf("%.2f", median(bare))
	}
	fmt.Fprintf(os.Stdout, "| %s | %s | %.2f | %s | %.2f | %.2f | %.2f | %.2f |\n",
		what, first, median(agent), ratio, median(isolated), ofIsolated, median(behind), ratios(behind, agent))
}

func ratios(xs, to []float64) float64 {
	all := make([]float64, len(xs))
	for i := range all {
		all[i] = xs[i] / to[i]
	}
	return median(all)
}

func median(xs []float64) float64 {
	xs = slices.Sorted(slices.Values(xs))
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
	caller  *caller       // instead of a server: calls go to the process
	start   time.Duration // until it asked for work
	number  int           // of calls
	work    chan int
	answers chan []byte
}

// launch starts the process and waits until it asks for work.
func (s *subject) launch(ctx context.Context) *running {
	if s.http {
		return s.launchServer(ctx)
	}
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

	r.cmd = exec.CommandContext(ctx, s.program) //nolint:gosec // built above
	r.cmd.Env = []string{"AWS_LAMBDA_RUNTIME_API=" + listener.Addr().String(), "AWS_LAMBDA_FUNCTION_MEMORY_SIZE=1769", "_HANDLER=bootstrap"}
	r.cmd.Env = append(r.cmd.Env, s.env...)
	begun := time.Now()
	exitOn(r.cmd.Start())
	r.start = (<-polled).Sub(begun)
	return r
}

func (r *running) stop() {
	exitOn(r.cmd.Process.Kill())
	_ = r.cmd.Wait() // it was killed
	if r.caller != nil {
		r.caller.client.CloseIdleConnections()
		return
	}
	exitOn(r.server.Close())
}

// call makes n calls, one after another, and returns how long they took.
func (r *running) call(n int) time.Duration {
	begun := time.Now()
	for range n {
		r.number++
		if r.caller != nil {
			r.caller.call()
			continue
		}
		r.work <- r.number
		if body := <-r.answers; strings.Contains(string(body), "errorMessage") {
			exitOn(fmt.Errorf("%s: %s", r.cmd.Path, body))
		}
	}
	return time.Since(begun)
}

// cpuTime returns the seconds of CPU that the process and its children have used.
func (r *running) cpuTime() float64 {
	p, err := process.NewProcess(int32(r.cmd.Process.Pid))
	exitOn(err)
	children, err := p.Children()
	if err != nil && !errors.Is(err, process.ErrorNoChildren) {
		exitOn(err)
	}
	total := 0.0
	for _, one := range append(children, p) {
		times, err := one.Times()
		exitOn(err)
		total += times.User + times.System
	}
	return total
}

// request is a call of the agent's function, for so many items, as Lambda carries it.
func request(items int) []byte {
	payload, err := codec.EncodeRequest(ask(items))
	exitOn(err)
	return payload
}

// frame is the same as HTTP carries it.
func frame(items int) []byte {
	payload, err := codec.EncodeRawRequest(ask(items))
	exitOn(err)
	return payload
}

func ask(items int) *codec.Request {
	registry := lambdapool.NewRegistry()
	lambdapool.RegisterIn(registry, "next", func(_ context.Context, n int) (int, error) { return n, nil })
	f, _ := registry.Lookup("next")
	typ, err := codec.TypeOf(reflect.TypeFor[int]())
	exitOn(err)
	n := 41
	args, err := codec.Marshal([]*codec.Type{typ}, []reflect.Value{reflect.ValueOf(&n).Elem()})
	exitOn(err)
	return &codec.Request{ID: "bench-1", Func: "next", Shape: f.Fingerprint(), Items: slices.Repeat([][]byte{args}, items)}
}

func exitOn(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
