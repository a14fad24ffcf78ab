package live

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/internal/quick"
)

// A Page is a live view of executors. It is an option: of lambdapool.New, to show all that the
// executor does, or of one run, to show that. It may be given to several executors and runs. Make
// one with [Serve]. Its methods may be called concurrently.
type Page struct {
	lambdapool.CallOption

	url    string
	watch  *watch
	server *http.Server
	served chan struct{} // closed when nothing listens any more
	stop   func() bool
}

// An Option configures a [Page]. Nil is refused by [Serve]. Where the same option is given twice,
// the last one counts.
type Option func(*config) error

type config struct {
	address string
	output  io.Writer
}

// Address sets where the page listens, as host and port: "127.0.0.1:8080". The default is a port
// that the system chooses. The host must be a loopback address, or "localhost": the page is not
// made for other machines. To see it from elsewhere forward the port, for example with ssh -L.
func Address(hostport string) Option {
	return func(c *config) error {
		host, _, err := net.SplitHostPort(hostport)
		if err != nil {
			return fmt.Errorf("live.Address(%q): %w; give a host and a port, as in 127.0.0.1:8080", hostport, err)
		}
		if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			return fmt.Errorf("live.Address(%q): not on the loopback interface; give 127.0.0.1 or localhost, and forward the port for other machines", hostport)
		}
		c.address = hostport
		return nil
	}
}

// Output sets where the line with the page's address is written. The default is os.Stderr.
// io.Discard is for silence: see [Page.URL] then. Nil is an error.
func Output(w io.Writer) Option {
	return func(c *config) error {
		if w == nil {
			return errors.New("live.Output: the writer is nil; use io.Discard for silence")
		}
		c.output = w
		return nil
	}
}

// Serve opens a page and prints its address as one line. The page is there until ctx ends, or
// [Page.Close] is called, or the program ends: a browser that shows it keeps its last state.
//
// Give the Page to lambdapool.New or to a run. It costs the calls little: docs/benchmarks.md has
// numbers.
//
// Serve does not block. The error is that of a bad option, or of the network: an address that is
// in use, for example.
func Serve(ctx context.Context, opts ...Option) (*Page, error) {
	if ctx == nil {
		return nil, errors.New("live: serve: the context is nil; pass context.Background()")
	}
	cfg := config{address: "127.0.0.1:0", output: os.Stderr}
	for _, opt := range opts {
		if opt == nil {
			return nil, errors.New("live: serve: an option is nil; leave it out")
		}
		if err := opt(&cfg); err != nil {
			return nil, err
		}
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", cfg.address)
	if err != nil {
		return nil, fmt.Errorf("live: serve: %w; another program may use the address: leave Address out for a free port", err)
	}
	token := strings.ToLower(rand.Text())
	p := &Page{
		url:    fmt.Sprintf("http://%s/%s/", listener.Addr(), token),
		watch:  newWatch(),
		served: make(chan struct{}),
	}
	p.CallOption = quick.Observe(p.watch.observer()).(lambdapool.CallOption)
	p.server = &http.Server{
		Handler:           newHandler(p.watch, token),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
	}
	go func() {
		defer close(p.served)
		_ = p.server.Serve(listener) // it has been closed
	}()
	go p.watch.sample()
	p.stop = context.AfterFunc(ctx, p.end)
	fmt.Fprintf(cfg.output, "lambdapool: live page at %s\n", p.url)
	return p, nil
}

// URL returns the page's address. Who has it may see the page.
func (p *Page) URL() string { return p.url }

// Close ends the page, and returns when nothing of it runs any more. Browsers that show it get its
// last state before. It may be called again. The error is always nil.
func (p *Page) Close() error {
	p.stop()
	p.end()
	return nil
}

// end sends the last state, and stops the server.
func (p *Page) end() {
	p.watch.close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if p.server.Shutdown(ctx) != nil {
		_ = p.server.Close() // a browser that does not read
	}
	<-p.served
}
