// Containers runs two agents behind a reverse proxy, as a platform for containers would, on this machine:
// each is a process of this very executable. In the middle of the run it kills one. The platform starts
// another, and the pool runs again what was lost: the function is idempotent.
//
//	go run ./examples/containers
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/agent"
	"github.com/lambdapool/lambdapool/backend/httpagent"
	"github.com/lambdapool/lambdapool/interrupt"
)

// collatz counts the steps of n to 1. Idempotent says that it may run again when an agent is lost
// in the middle of it; without that its calls would fail with ErrUnknownOutcome.
var collatz = lambdapool.Register("collatz", func(_ context.Context, n int) (int, error) {
	steps := 0
	for ; n != 1; steps++ {
		if n%2 == 0 {
			n /= 2
		} else {
			n = 3*n + 1
		}
	}
	time.Sleep(2 * time.Millisecond) // it would be over too soon for anything to happen meanwhile
	return steps, nil
}, lambdapool.Idempotent())

func main() {
	agent.Main() // with LAMBDAPOOL_AGENT=http the program serves here and never returns
	if err := run(context.Background(), os.Stdout, 2000); err != nil {
		log.Fatal(err)
	}
}

// run has the items computed, and kills an agent after a quarter of them. The token is what client
// and agents must have in common, where no platform checks who calls.
func run(ctx context.Context, w io.Writer, items int) error {
	if err := os.Setenv("LAMBDAPOOL_TOKEN", rand.Text()+rand.Text()); err != nil { // of these agents only
		return err
	}
	p, err := start(ctx, 2)
	if err != nil {
		return err
	}
	defer p.stop()

	// The client knows one URL. How many agents are behind it is the platform's business.
	b, err := httpagent.New(ctx, p.url, httpagent.WithWorkers(8))
	if err != nil {
		return err
	}
	defer b.Close()
	pool, err := lambdapool.New(b)
	if err != nil {
		return err
	}
	defer pool.Close()
	ctx, stop := interrupt.Context(ctx, pool, os.Stderr) // the first Ctrl-C lets what runs come to its end
	defer stop()

	numbers := make([]int, items)
	for i := range numbers {
		numbers[i] = i + 1
	}
	// Progress is called now and then while the run goes on: a good place to see that it is half
	// over.
	var once sync.Once
	halfway := lambdapool.Progress(func(s lambdapool.Snapshot) {
		if s.Done > items/4 {
			once.Do(p.kill)
		}
	})
	steps, err := lambdapool.Map(ctx, pool, collatz, numbers, lambdapool.ChunkSize(20), halfway)
	if err != nil {
		return err
	}
	longest := 0
	for i, n := range steps {
		if n > steps[longest] {
			longest = i
		}
	}
	fmt.Fprintf(w, "%d results; %d takes the most steps, %d\n", len(steps), longest+1, steps[longest])
	fmt.Fprintf(w, "agents killed: %d\n", p.killed.Load())
	return nil
}

// A platform keeps agents alive, and shares requests out among them.
type platform struct {
	url    string
	killed atomic.Int64

	ctx     context.Context
	cancel  context.CancelFunc
	keepers sync.WaitGroup
	server  *http.Server

	mu     sync.Mutex
	agents []*exec.Cmd
}

// start listens for n agents and for the client. An agent's port is one that was free a moment ago,
// as the address has to be known before the process.
func start(ctx context.Context, n int) (*platform, error) {
	p := &platform{agents: make([]*exec.Cmd, n)}
	p.ctx, p.cancel = context.WithCancel(ctx)
	targets := make([]*url.URL, n)
	for i := range targets {
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0") // the system knows which port is free
		if err != nil {
			return nil, err
		}
		targets[i] = &url.URL{Scheme: "http", Host: l.Addr().String()}
		if err := l.Close(); err != nil {
			return nil, err
		}
		p.keepers.Go(func() { p.keep(i, targets[i].Host) })
	}
	var next atomic.Int64
	// What a platform's load balancer does: each request to the next agent.
	proxy := &httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(targets[int(next.Add(1))%n]) },
		Transport: &http.Transport{DialContext: reach, MaxIdleConnsPerHost: 8},
		ErrorLog:  log.New(io.Discard, "", 0), // an agent that is killed is what this is about
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p.url = "http://" + l.Addr().String()
	p.server = &http.Server{Handler: proxy, ReadHeaderTimeout: time.Second}
	p.keepers.Go(func() {
		if err := p.server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			log.Print(err)
		}
	})
	return p, nil
}

// reach connects to an agent. One that is starting gets the time for it, as platforms give it.
func reach(ctx context.Context, network, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		if err == nil {
			return conn, nil
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			return nil, err
		}
	}
}

// keep starts an agent, and another one when it has ended.
func (p *platform) keep(i int, address string) {
	for p.ctx.Err() == nil {
		cmd := exec.CommandContext(p.ctx, os.Args[0]) //nolint:gosec // itself
		// These two variables make an agent of this program: see package backend/httpagent for the
		// others.
		cmd.Env = append(os.Environ(), "LAMBDAPOOL_AGENT=http", "LAMBDAPOOL_ADDRESS="+address)
		if err := cmd.Start(); err != nil {
			log.Print(err)
			return
		}
		p.mu.Lock()
		p.agents[i] = cmd
		p.mu.Unlock()
		_ = cmd.Wait()
	}
}

// kill ends the first agent without a warning.
func (p *platform) kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.agents[0] != nil && p.agents[0].Process.Kill() == nil {
		p.killed.Add(1)
	}
}

// stop ends the agents and the proxy, and waits for both.
func (p *platform) stop() {
	p.cancel()
	if err := p.server.Close(); err != nil {
		log.Print(err)
	}
	p.keepers.Wait()
}
