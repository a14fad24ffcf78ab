package local

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// A Server is an embedded Lambda without a function of its own: clients create
// them, from zips whose bootstrap it really runs, as they would in an account.
// Lambda's control plane and Invoke, and as much of IAM, STS and CloudWatch
// Logs as deploying a function takes, share one endpoint: the service is the
// one that the request is signed for. Each region that a client names is its own.
//
// All state is in memory, and gone with the Server. Safe for concurrent use.
type Server struct {
	cfg         config
	credentials aws.Credentials
	endpoint    string
	address     string
	auth        *authenticator
	http        *http.Server
	spawner     *spawner
	codes       *codeStore
	iam         *iam

	mu      sync.Mutex
	closed  bool
	regions map[string]*regional
	live    map[*function]struct{} // what runs, or may

	retiring sync.WaitGroup

	close    sync.Once
	closeErr error
}

// NewServer starts an embedded Lambda that is empty. It listens on loopback
// only. The caller closes it.
//
// Of the options those apply that are not about one function: WithAddress,
// WithCredentials, WithConcurrency (the account's, by default Lambda's 1,000),
// WithCodeStorage, WithUpdateTime, WithInitTimeout, WithIdleTimeout,
// WithEventRetries, WithLogOutput and WithLogger. The others are an error: what
// they say is for CreateFunction to say.
//
// Code is unpacked into a directory of its own below os.TempDir, which a Go
// program cannot be sure to remove when it is killed. So a process that waits
// for the end of this one, however it ends, removes it: /bin/sh, in a session
// of its own. (Running bootstraps from memory would leave nothing to remove,
// but has no place for the other files of a zip, nor for scripts.)
func NewServer(opts ...Option) (*Server, error) {
	cfg := defaults()
	cfg.name, cfg.memory, cfg.timeout, cfg.env, cfg.concurrency = "", 0, 0, nil, accountConcurrency
	for _, opt := range opts {
		if opt == nil {
			return nil, errors.New("lambdapool: local: nil option")
		}
		if err := opt(&cfg); err != nil {
			return nil, fmt.Errorf("lambdapool: local: %w", err)
		}
	}
	switch {
	case os.Getenv(envMarker) != "":
		return nil, errors.New("lambdapool: local: this process is an agent, and agents must not start agents of their own")
	case cfg.binary != "" || cfg.name != "" || cfg.memory != 0 || cfg.timeout != 0 || cfg.env != nil || cfg.faults != nil:
		return nil, errors.New("lambdapool: local: a server has no function yet: leave out WithBinary, WithFunctionName, WithMemory, WithTimeout, WithEnv and WithFaults (CreateFunction sets what they would)")
	}
	s, err := serve(cfg)
	if err != nil {
		return nil, fmt.Errorf("lambdapool: local: server: %w", err)
	}
	return s, nil
}

func serve(cfg config) (_ *Server, err error) {
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp4", cfg.address)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, listener.Close())
		}
	}()
	spawner, err := newSpawner()
	if err != nil {
		return nil, err
	}
	codes, err := newCodeStore(cfg.codeStorage)
	if err != nil {
		spawner.close()
		return nil, err
	}
	s := &Server{
		cfg:         cfg,
		credentials: cfg.keyPair(),
		endpoint:    "http://" + listener.Addr().String(),
		address:     listener.Addr().String(),
		spawner:     spawner,
		codes:       codes,
		iam:         newIAM(),
		regions:     map[string]*regional{},
		live:        map[*function]struct{}{},
	}
	s.auth = newAuthenticator(s.credentials.AccessKeyID, s.credentials.SecretAccessKey, "lambda", "iam", "sts", "logs")
	mux := http.NewServeMux()
	(&invokeAPI{auth: s.auth, resolve: s.resolve, terms: s.eventTerms}).routeInvoke(mux)
	routeRuntime(mux, s.find)
	s.routeLambda(mux)
	s.routeOthers(mux)
	s.http = newServer(trimSlash(mux), cfg.logger)
	go func() { _ = s.http.Serve(listener) }() // http.ErrServerClosed
	return s, nil
}

// trimSlash serves what ends in a slash as what does not: some clients ask for
// /functions/ to list them.
func trimSlash(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if n := len(r.URL.Path); n > 1 && r.URL.Path[n-1] == '/' && r.URL.RawPath == "" {
			r.URL.Path = r.URL.Path[:n-1] // the signature is over RequestURI, which stays
		}
		next.ServeHTTP(w, r)
	})
}

// Endpoint returns the URL of all services, on loopback: what AWS_ENDPOINT_URL is set to.
func (s *Server) Endpoint() string { return s.endpoint }

// Credentials returns the key pair that requests are signed with: that of
// WithCredentials, or one made for this Server.
func (s *Server) Credentials() (accessKeyID, secretAccessKey string) {
	return s.credentials.AccessKeyID, s.credentials.SecretAccessKey
}

// Close kills all agents and everything they started, answers the invocations
// that were running with an error, frees the port and removes all code. It
// returns when all that is done. A second Close waits for the first and returns
// the same.
func (s *Server) Close() error {
	s.close.Do(func() {
		s.mu.Lock()
		s.closed = true
		all := make([]*function, 0, len(s.live))
		for f := range s.live {
			all = append(all, f)
		}
		s.mu.Unlock()
		for _, f := range all {
			f.close()
		}
		ctx, cancel := context.WithTimeout(context.Background(), shutdownTime)
		defer cancel()
		if s.http.Shutdown(ctx) != nil {
			s.closeErr = s.http.Close()
		}
		s.retiring.Wait()
		s.spawner.close()
		s.closeErr = errors.Join(s.closeErr, s.codes.close())
	})
	return s.closeErr
}

// find returns the living sandbox with that id, or nil.
func (s *Server) find(id string) *sandbox {
	s.mu.Lock()
	defer s.mu.Unlock()
	for f := range s.live {
		if found := f.pool.find(id); found != nil {
			return found
		}
	}
	return nil
}

// region returns what there is in a region.
func (s *Server) region(name string) *regional {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.regions[name]
	if r == nil {
		r = &regional{
			server: s, name: name,
			functions: map[string]*resource{},
			account:   &concurrency{limit: s.cfg.concurrency},
			logs:      newLogGroups(name),
		}
		s.regions[name] = r
	}
	return r
}

// begin makes a version ready to run. It says no once the server closes.
func (s *Server) begin(cfg config, q *quota) *function {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	f := newFunction(cfg, s.spawner, s.address)
	f.quota = q
	s.live[f] = struct{}{}
	return f
}

// retire ends a version's environments when nothing runs in them any more.
func (s *Server) retire(f *function) {
	f.close()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.live, f)
}
