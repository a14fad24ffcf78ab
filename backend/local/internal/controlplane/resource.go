package controlplane

import (
	"math/rand/v2"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/lambdapool/lambdapool/backend/local/internal/logs"
	"github.com/lambdapool/lambdapool/backend/local/internal/sandbox"
	"github.com/lambdapool/lambdapool/backend/local/internal/service"
	"github.com/lambdapool/lambdapool/backend/local/internal/wire"
)

// A regional is Lambda in one region.
type regional struct {
	lambda  *Lambda
	name    string
	account *service.Account
	logs    *logs.Groups

	mu        sync.Mutex // held by every operation of the control plane while it looks or changes
	functions map[string]*resource
	layers    map[string]*layerHistory
}

// A resource is a function as the control plane knows it: its versions, the
// names for them, and what belongs to them all. Guarded by the region's lock.
type resource struct {
	arn       string // unqualified
	tags      map[string]string
	quota     *service.Quota
	starts    func() bool // of its environments; nil: any time
	latest    *version
	published []*version // oldest first
	last      int        // number of the version published last; numbers are never used again
	aliases   map[string]*alias
	events    map[string]*eventInvokeConfig // by qualifier

	permissions []permission // oldest first
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
	before   *version  // of $LATEST: what it has replaced, which is invoked while the update is under way
}

// An alias is a name for a version, or for two by weight.
type alias struct {
	name, version, description, revision string
	weights                              map[string]float64
}

// running counts the uses of a version's environments, so that those of a
// replaced version end when nothing runs in them.
type running struct {
	fn      *service.Function
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
		settings: s, number: wire.Latest, modified: now, ready: now.Add(g.lambda.cfg.UpdateTime), created: created,
		interim: wire.RequestID(), revision: wire.RequestID(),
	}
}

// lookup returns the version that a qualifier names, by its number, through an
// alias, or the latest.
func (f *resource) lookup(qualifier string) *version {
	if a := f.aliases[qualifier]; a != nil {
		qualifier = a.pick()
	}
	if qualifier == "" || qualifier == wire.Latest {
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
func (g *regional) function(id wire.FunctionID) (*resource, *wire.Refusal) {
	f := g.functions[id.Name]
	if f == nil || id.Account != wire.Account || id.Region != g.name {
		return nil, wire.NotFound(id.ARN())
	}
	return f, nil
}

// version returns the version that id names.
func (g *regional) version(id wire.FunctionID) (*resource, *version, *wire.Refusal) {
	f, refused := g.function(id)
	if refused != nil {
		return nil, nil, refused
	}
	v := f.lookup(id.Qualifier)
	if v == nil {
		return nil, nil, wire.NotFound(id.ARN())
	}
	return f, v, nil
}

// serving returns the version that an invocation of v runs on: Lambda goes on with the old one
// until an update has become Successful. The region's lock is held.
func (g *regional) serving(v *version) *version {
	if v.before == nil {
		return v
	}
	if v.busy() {
		return v.before
	}
	g.discard(v.before)
	v.before = nil
	return v
}

// resolve finds what an invocation runs on.
func (l *Lambda) resolve(id wire.FunctionID) (*service.Function, func(), *wire.Refusal) {
	g := l.region(id.Region)
	g.mu.Lock()
	defer g.mu.Unlock()
	f, v, refused := g.version(id)
	if refused != nil {
		return nil, nil, refused
	}
	if v.busy() && v.created {
		return nil, nil, wire.Conflict("The operation cannot be performed at this time. The function is currently in the following state: Pending")
	}
	v = g.serving(v)
	if v.run == nil {
		fn := l.begin(g.runConfig(f, v))
		if fn == nil {
			return nil, nil, sandbox.ShutDown
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
	g.lambda.retiring.Go(func() { // an event's end cannot wait for the queue that it came from
		g.lambda.retire(run.fn)
		g.lambda.codes.release(code)
	})
}

// discard forgets a version, and what it has replaced. What runs may end; nothing new begins. The
// region's lock is held.
func (g *regional) discard(v *version) {
	if old := v.before; old != nil {
		v.before = nil
		g.discard(old)
	}
	if run := v.run; run != nil {
		v.run = nil
		run.retired = true
		if run.uses == 0 {
			g.stop(run, v.settings.code)
		}
	}
	g.lambda.codes.release(v.settings.code)
}

// runConfig is what the version runs as, and the role that its agents have assumed.
func (g *regional) runConfig(f *resource, v *version) (_ service.Config, role string) {
	s := &v.settings
	spec := g.lambda.cfg.Environments
	spec.Most = service.MaxConcurrency // the quota bounds what runs; environments that are ending do not count
	spec.Binary = filepath.Join(s.code.dir, bootstrap)
	spec.Region, spec.Name, spec.Version, spec.LogGroup = g.name, s.name, v.number, s.logging.LogGroup
	spec.Memory, spec.Timeout, spec.Env = s.memory, time.Duration(s.timeout)*time.Second, s.environment
	spec.Layers, spec.Starts = len(s.layers), f.starts
	group := s.logging.LogGroup
	spec.Record = func(stream string, line []byte) { g.logs.Put(group, stream, line) }
	cfg := service.Config{Spec: spec, Terms: g.lambda.cfg.Terms, Quota: f.quota, Data: g.lambda.cfg.Data}
	return cfg, s.role[strings.LastIndexByte(s.role, '/')+1:]
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
	v.settings, v.number, v.run, v.before, v.revision = now, strconv.Itoa(f.last), nil, nil, wire.RequestID()
	v.settings.code.retain()
	f.published = append(f.published, &v)
	return &v
}
