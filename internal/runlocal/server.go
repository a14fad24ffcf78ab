package runlocal

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// Options is what may be different. The zero value of a field means what Google does.
type Options struct {
	Project string // default "local-project"
	Region  string // default "europe-west1"

	// Images says which executable an image stands for; an empty one is this very executable.
	Images map[string]string

	Wait      time.Duration // how long a request waits for an instance; default 10 s
	StartTime time.Duration // how long a container may take to listen; default 240 s
	Grace     time.Duration // from SIGTERM to SIGKILL; default 10 s
	Idle      time.Duration // after which an instance ends; default 15 minutes
	TokenLife time.Duration // of ID tokens and access tokens; default 1 hour
	MaxBody   int64         // bytes of a request and of an answer; default 32 MiB
	CPUs      float64       // quota of vCPUs for one service; default 200
	Instances int           // of a revision at most, whatever it says: all share this machine; default: what it says

	// Deaf leaves the connection to a container open after a 504: it does not learn that nobody waits.
	Deaf bool

	Output io.Writer // of the containers; default: nowhere
}

// A Server is Cloud Run, and what surrounds it. Make it with New and close it.
type Server struct {
	options  Options
	listener net.Listener
	server   *http.Server
	url      string
	spawner  *spawner
	work     sync.WaitGroup
	life     context.Context
	end      context.CancelFunc

	registry *registry
	sources  sources
	journal  journal

	*issuer

	mu           sync.Mutex
	services     map[string]*service // by full name
	ever         []*service          // the deleted ones too, whose front ends answer 404
	operations   map[string]*operation
	repositories map[string]repositoryJSON // by full name
	closed       bool
}

// New starts one.
func New(o Options) (*Server, error) {
	o.Project, o.Region = cmp.Or(o.Project, "local-project"), cmp.Or(o.Region, "europe-west1")
	o.Wait, o.StartTime = cmp.Or(o.Wait, 10*time.Second), cmp.Or(o.StartTime, 240*time.Second)
	o.Grace, o.Idle = cmp.Or(o.Grace, 10*time.Second), cmp.Or(o.Idle, 15*time.Minute)
	o.TokenLife, o.MaxBody = cmp.Or(o.TokenLife, time.Hour), cmp.Or(o.MaxBody, 32<<20)
	o.CPUs = cmp.Or(o.CPUs, 200)
	if o.Output == nil {
		o.Output = io.Discard
	}
	listener, err := listen()
	if err != nil {
		return nil, err
	}
	s := &Server{options: o, listener: listener, url: "http://" + listener.Addr().String(), services: map[string]*service{}, operations: map[string]*operation{}, repositories: map[string]repositoryJSON{}}
	if s.issuer, err = newIssuer(s.url, o.TokenLife); err == nil {
		s.registry, err = newRegistry(s)
	}
	if err != nil {
		_ = listener.Close()
		return nil, err
	}
	s.spawner = newSpawner()
	s.life, s.end = context.WithCancel(context.Background())
	mux := http.NewServeMux()
	s.tokenRoutes(mux)
	s.metadataRoutes(mux)
	s.adminRoutes(mux)
	s.repositoryRoutes(mux)
	mux.HandleFunc("POST /v2/entries:list", s.listEntries)
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { page(w, http.StatusNotFound, "Not Found") })
	s.server = &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !s.enter() {
			refuse(w, http.StatusServiceUnavailable, "The service is currently unavailable.")
			return
		}
		defer s.work.Done()
		mux.ServeHTTP(w, r)
	})}
	s.work.Go(func() { _ = s.server.Serve(listener) })
	return s, nil
}

// enter counts a request in; work.Done counts it out. It reports false once the server closes.
func (s *Server) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.work.Add(1)
	}
	return !s.closed
}

func listen() (net.Listener, error) { return net.Listen("tcp", "127.0.0.1:0") } //nolint:noctx // it lasts as long as the server

// URL is where Google's APIs are, and the issuer of tokens.
func (s *Server) URL() string { return s.url }

// Project and Region are where services are made.
func (s *Server) Project() string { return s.options.Project }

// Region is the one that there is.
func (s *Server) Region() string { return s.options.Region }

// MetadataHost is for GCE_METADATA_HOST: there is a metadata server for [Server.AttachAccount].
func (s *Server) MetadataHost() string { return s.listener.Addr().String() }

// Close kills all containers, ends what is under way and waits for it. A second one does nothing.
func (s *Server) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	ever := s.ever
	s.mu.Unlock()
	s.end()
	var errs []error
	for _, svc := range ever {
		errs = append(errs, svc.close())
	}
	errs = append(errs, s.server.Close(), s.registry.front.Close())
	s.work.Wait()
	s.spawner.close()
	errs = append(errs, s.registry.remove())
	return errors.Join(errs...)
}

// page answers as Google's front ends do for what they refuse: with HTML of their own.
func page(w http.ResponseWriter, status int, why string) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=UTF-8")
	h.Set("Server", "Google Frontend")
	w.WriteHeader(status)
	fmt.Fprintf(w, "\n<html><head>\n<meta http-equiv=\"content-type\" content=\"text/html;charset=utf-8\">\n<title>%d %s</title>\n</head>\n<body text=#000000 bgcolor=#ffffff>\n<h1>Error: %s</h1>\n<h2>%s</h2>\n<h2></h2>\n</body></html>\n",
		status, http.StatusText(status), http.StatusText(status), why)
}
