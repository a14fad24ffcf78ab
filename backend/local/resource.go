package local

import (
	"math/rand/v2"
	"path/filepath"
	"strconv"
	"sync"
	"time"
)

// A regional is Lambda in one region.
type regional struct {
	server  *Server
	name    string
	account *concurrency
	logs    *logGroups

	mu        sync.Mutex // held by every operation of the control plane while it looks or changes
	functions map[string]*resource
}

// A resource is a function as the control plane knows it: its versions, the
// names for them, and what belongs to them all. Guarded by the region's lock.
type resource struct {
	arn       string // unqualified
	tags      map[string]string
	quota     *quota
	latest    *version
	published []*version // oldest first
	last      int        // number of the version published last; numbers are never used again
	aliases   map[string]*alias
	events    map[string]*eventInvokeConfig // by qualifier
}

// A version is code with a configuration. The one that is called $LATEST is
// replaced, never changed.
type version struct {
	settings settings
	number   string
	modified time.Time
	ready    time.Time // until then it is Pending, or its update InProgress
	created  bool      // by CreateFunction; otherwise by an update
	interim  string    // revision id until ready
	revision string    // and after
	run      *running  // nil until it is invoked first
}

// An alias is a name for a version, or for two by weight.
type alias struct {
	name, version, description, revision string
	weights                              map[string]float64
}

// running counts the uses of a version's environments, so that those of a
// replaced version end when nothing runs in them.
type running struct {
	fn      *function
	uses    int // invocations and events
	retired bool
}

// busy says that the last change is still being made.
func (v *version) busy() bool { return time.Now().Before(v.ready) }

func (v *version) revisionID() string {
	if v.busy() {
		return v.interim
	}
	return v.revision
}

// newVersion dates settings and names them $LATEST.
func (g *regional) newVersion(s settings, created bool) *version {
	now := time.Now()
	return &version{
		settings: s, number: latest, modified: now, ready: now.Add(g.server.cfg.updateTime), created: created,
		interim: newRequestID(), revision: newRequestID(),
	}
}

// lookup returns the version that a qualifier names, by its number, through an
// alias, or the latest.
func (f *resource) lookup(qualifier string) *version {
	if a := f.aliases[qualifier]; a != nil {
		qualifier = a.pick()
	}
	if qualifier == "" || qualifier == latest {
		return f.latest
	}
	for _, v := range f.published {
		if v.number == qualifier {
			return v
		}
	}
	return nil
}

// pick returns the version for one invocation.
func (a *alias) pick() string {
	dice := rand.Float64() //nolint:gosec // load is divided, no secret made
	for version, weight := range a.weights {
		if dice < weight {
			return version
		}
		dice -= weight
	}
	return a.version
}

// function returns the resource that id names, whatever its qualifier.
func (g *regional) function(id functionID) (*resource, *apiError) {
	f := g.functions[id.name]
	if f == nil || id.account != account || id.region != g.name {
		return nil, errNotFound(id.arn())
	}
	return f, nil
}

// version returns the version that id names.
func (g *regional) version(id functionID) (*resource, *version, *apiError) {
	f, refused := g.function(id)
	if refused != nil {
		return nil, nil, refused
	}
	v := f.lookup(id.qualifier)
	if v == nil {
		return nil, nil, errNotFound(id.arn())
	}
	return f, v, nil
}

// resolve finds what an invocation runs on.
func (s *Server) resolve(id functionID) (*function, func(), *apiError) {
	g := s.region(id.region)
	g.mu.Lock()
	defer g.mu.Unlock()
	f, v, refused := g.version(id)
	if refused != nil {
		return nil, nil, refused
	}
	if v.busy() && v.created {
		return nil, nil, errConflict("The operation cannot be performed at this time. The function is currently in the following state: Pending")
	}
	if v.run == nil {
		fn := s.begin(g.runConfig(v), f.quota)
		if fn == nil {
			return nil, nil, errShutDown
		}
		v.settings.code.retain()
		v.run = &running{fn: fn}
	}
	run, code := v.run, v.settings.code
	run.uses++
	var once sync.Once
	return run.fn, func() { once.Do(func() { g.leave(run, code) }) }, nil
}

// leave ends one use of a version.
func (g *regional) leave(run *running, code *code) {
	g.mu.Lock()
	run.uses--
	last := run.retired && run.uses == 0
	g.mu.Unlock()
	if last {
		g.stop(run, code)
	}
}

func (g *regional) stop(run *running, code *code) {
	g.server.retiring.Go(func() { // an event's end cannot wait for the queue that it came from
		g.server.retire(run.fn)
		g.server.codes.release(code)
	})
}

// discard forgets a version. What runs may end; nothing new begins. The
// region's lock is held.
func (g *regional) discard(v *version) {
	if run := v.run; run != nil {
		v.run = nil
		run.retired = true
		if run.uses == 0 {
			g.stop(run, v.settings.code)
		}
	}
	g.server.codes.release(v.settings.code)
}

// runConfig is what the version's environments are made of.
func (g *regional) runConfig(v *version) config {
	s := &v.settings
	cfg := g.server.cfg
	cfg.concurrency = maxConcurrency // the quota bounds what runs; environments that are ending do not count
	cfg.binary = filepath.Join(s.code.dir, bootstrap)
	cfg.region, cfg.name, cfg.version, cfg.logGroup = g.name, s.name, v.number, s.logging.LogGroup
	cfg.memory, cfg.timeout, cfg.env = s.memory, time.Duration(s.timeout)*time.Second, s.environment
	group := s.logging.LogGroup
	cfg.record = func(stream string, line []byte) { g.logs.put(group, stream, line) }
	return cfg
}

// publish makes a version of the latest, or returns the one that is the same.
func (g *regional) publish(f *resource, description *string) *version {
	now := f.latest.settings
	if n := len(f.published); n > 0 && f.published[n-1].settings.same(&now) {
		return f.published[n-1]
	}
	if description != nil && *description != "" {
		now.description = *description
	}
	f.last++
	v := *f.latest
	v.settings, v.number, v.run, v.revision = now, strconv.Itoa(f.last), nil, newRequestID()
	v.settings.code.retain()
	f.published = append(f.published, &v)
	return &v
}
