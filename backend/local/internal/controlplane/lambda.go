package controlplane

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/lambdapool/lambdapool/backend/local/internal/iam"
	"github.com/lambdapool/lambdapool/backend/local/internal/keep"
	"github.com/lambdapool/lambdapool/backend/local/internal/logs"
	"github.com/lambdapool/lambdapool/backend/local/internal/sandbox"
	"github.com/lambdapool/lambdapool/backend/local/internal/service"
	"github.com/lambdapool/lambdapool/backend/local/internal/wire"
)

// A Config is what a Lambda is made of. All fields are needed that do not say otherwise.
type Config struct {
	Auth    *wire.Authenticator
	Spawner *sandbox.Spawner // must live longer
	Data    *keep.Dir        // nil: nothing is kept

	// Environments is what those of all functions have in common: isolation, times, where
	// the endpoint is, what becomes of output. The rest is for CreateFunction to say.
	Environments sandbox.Spec
	Terms        service.Terms // of events, where no configuration has others

	Concurrency int                // of the account, in each region
	Law         service.ScalingLaw // of each function
	Agents      int                // at once, of all regions
	CodeStorage int64              // bytes of zips, in each region
	UpdateTime  time.Duration      // that a change takes

	// Fetch returns the object that a request names as its code; nil: there is no S3.
	Fetch func(ctx context.Context, bucket, key string) ([]byte, error)
}

// A Lambda is the account's functions in all regions. It is safe for concurrent use.
type Lambda struct {
	cfg     Config
	codes   *codeStore
	iam     *iam.Service
	machine *service.Machine
	saving  sync.Mutex // one state is written at a time

	mu      sync.Mutex
	closed  bool
	regions map[string]*regional
	live    map[*service.Function]aws.Credentials // what runs, or may, and who its agents are

	retiring sync.WaitGroup
}

// New makes one that knows what an earlier process has kept, or nothing. The caller closes it.
func New(cfg Config) (*Lambda, error) {
	if cfg.Data != nil {
		if err := cfg.Data.Make(codeDir, service.QueueDir); err != nil {
			return nil, err
		}
	}
	codes, err := newCodeStore(cfg.CodeStorage, cfg.Data)
	if err != nil {
		return nil, err
	}
	l := &Lambda{
		cfg: cfg, codes: codes, iam: iam.New(), machine: service.NewMachine(cfg.Agents),
		regions: map[string]*regional{}, live: map[*service.Function]aws.Credentials{},
	}
	if cfg.Data != nil {
		if err := l.restore(); err != nil {
			return nil, errors.Join(err, codes.close())
		}
	}
	return l, nil
}

// Handler serves all there is, the Runtime API of the functions' agents too.
func (l *Lambda) Handler() http.Handler {
	mux := http.NewServeMux()
	(&service.API{Auth: l.cfg.Auth, Resolve: l.resolve, Terms: l.eventTerms}).Route(mux)
	sandbox.Route(mux, l.find)
	l.routeLambda(mux)
	l.routeOthers(mux)
	return trimSlash(mux)
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

// Resume has the events run that an earlier process has kept. It is called once the Handler is
// served: their agents ask it for work.
func (l *Lambda) Resume() {
	if l.cfg.Data == nil {
		return
	}
	if err := l.restoreQueue(); err != nil { // the others are worth more than the broken one
		l.cfg.Environments.Logger.Error("events not restored", slog.Any("error", err))
	}
}

// Stop ends all agents and begins no more. It answers the invocations that were running with
// an error, and returns when all processes are gone.
func (l *Lambda) Stop() {
	l.mu.Lock()
	l.closed = true
	all := slices.Collect(maps.Keys(l.live))
	l.mu.Unlock()
	var ending sync.WaitGroup // each may wait for its events
	for _, f := range all {
		ending.Go(f.Close)
	}
	ending.Wait()
}

// Close removes all code, after Stop and when no request is served any more.
func (l *Lambda) Close() error {
	l.retiring.Wait()
	return l.codes.close()
}

// find returns the living sandbox with that id, or nil.
func (l *Lambda) find(id string) *sandbox.Sandbox {
	l.mu.Lock()
	defer l.mu.Unlock()
	for f := range l.live {
		if found := f.Find(id); found != nil {
			return found
		}
	}
	return nil
}

// region returns what there is in a region.
func (l *Lambda) region(name string) *regional {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.regions[name]
	if r == nil {
		r = &regional{
			lambda: l, name: name,
			functions: map[string]*resource{},
			layers:    map[string]*layerHistory{},
			account:   service.NewAccount(l.cfg.Concurrency, l.machine),
			logs:      logs.NewGroups(name),
		}
		l.regions[name] = r
	}
	return r
}

// begin makes a version ready to run, whose agents have assumed a role. It returns nil once the
// Lambda stops.
func (l *Lambda) begin(cfg service.Config, role string) *service.Function {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil
	}
	cfg.Credentials = l.cfg.Auth.Issue(role, cfg.Name)
	f := service.New(cfg, l.cfg.Spawner)
	l.live[f] = cfg.Credentials
	return f
}

// retire ends a version's environments when nothing runs in them any more.
func (l *Lambda) retire(f *service.Function) {
	f.Close()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cfg.Auth.Revoke(l.live[f])
	delete(l.live, f)
}
