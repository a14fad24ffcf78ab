package local

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	region  = "us-east-1"
	account = "000000000000"
	latest  = "$LATEST"

	// envMarker says to the agent, and to whatever it starts, that it is one.
	envMarker = "LAMBDAPOOL_LOCAL_AGENT"
	// envLifeline tells the agent which file reports EOF when this process is gone.
	envLifeline = "LAMBDAPOOL_LIFELINE_FD"
	lifelineFD  = "3"
)

// A function is what the Invoke API knows by name: a program, its
// configuration, and the environments it runs in.
type function struct {
	cfg     config
	spawner *spawner
	out     *lockedWriter
	memory  *memoryWatch
	pool    *pool
	quota   *quota // of the account's concurrency; nil: the pool alone bounds it
	events  *events
	faults  *faults // nil: none
	ending  sync.Once
	address string // host:port of the Runtime API
}

func newFunction(cfg config, spawner *spawner, address string) *function {
	f := &function{
		cfg:     cfg,
		spawner: spawner,
		out:     &lockedWriter{w: cfg.logOutput},
		memory:  newMemoryWatch(int64(cfg.memory) << 20),
		address: address,
	}
	f.pool = newPool(cfg.concurrency, cfg.idleTimeout, f.start)
	f.events = newEvents(f)
	f.faults = newFaults(cfg.faults)
	return f
}

// arn returns the function's name in full, with the qualifier if there is one.
func (f *function) arn(qualifier string) string {
	arn := "arn:aws:lambda:" + f.cfg.region + ":" + account + ":function:" + f.cfg.name
	if qualifier != "" {
		arn += ":" + qualifier
	}
	return arn
}

// only resolves the one name that a Backend has.
func (f *function) only(id functionID) (*function, func(), *apiError) {
	if id.arn() != f.arn(id.qualifier) || id.qualifier != "" && id.qualifier != latest {
		return nil, nil, errNotFound(id.arn())
	}
	return f, func() {}, nil
}

// invoke runs one invocation now, or says why not. It blocks until that is
// over, whatever becomes of the caller: a run that has begun goes on, and is
// billed, as on Lambda.
func (f *function) invoke(inv *invocation) result {
	for {
		s, err := f.acquire()
		if err != nil {
			return f.refuse(inv, err)
		}
		if res, delivered := f.runOn(s, inv); delivered {
			return res
		}
	}
}

// runOn runs the invocation in an environment that acquire returned, and gives
// that back. It says false when the environment had ended while it was idle.
func (f *function) runOn(s *sandbox, inv *invocation) (result, bool) {
	inv.done = make(chan struct{})
	res, delivered := s.run(inv)
	f.release(s)
	return res, delivered
}

// acquire is the pool's, within the function's share of the account's concurrency.
func (f *function) acquire() (*sandbox, error) {
	if err := f.quota.take(); err != nil {
		return nil, err
	}
	s, err := f.pool.acquire()
	if err != nil {
		f.quota.give()
	}
	return s, err
}

func (f *function) release(s *sandbox) {
	f.pool.release(s)
	f.quota.give()
}

// refuse is the answer when there is no environment.
func (f *function) refuse(inv *invocation, err error) result {
	switch {
	case errors.Is(err, errBusy):
		return result{refused: errThrottled}
	case errors.Is(err, errAccountBusy):
		return result{refused: errAccountThrottled}
	case errors.Is(err, errClosed):
		return result{refused: errShutDown}
	case unusable(err):
		const errType = "Runtime.InvalidEntrypoint"
		return result{
			errType: errType,
			payload: errorBody(errType, "RequestId: %s Error: %v", inv.id, err),
			log:     fmt.Appendf(nil, "START RequestId: %s Version: %s\nRequestId: %[1]s Error: %[3]v\n%[4]s\nEND RequestId: %[1]s\n", inv.id, f.cfg.version, err, errType),
		}
	default:
		return result{refused: noResources(err)}
	}
}

// start begins a new environment.
func (f *function) start() (*sandbox, error) {
	s := &sandbox{
		id:      randomHex(16),
		stream:  time.Now().UTC().Format("2006/01/02") + "/[" + f.cfg.version + "]" + randomHex(16),
		fn:      f,
		started: time.Now(),
		work:    make(chan *invocation),
		polled:  make(chan struct{}),
		exited:  make(chan struct{}),
	}
	if !f.pool.admit(s) {
		return nil, errClosed
	}
	dir := f.taskRoot()
	proc, err := f.spawner.start(command{path: f.cfg.binary, dir: dir, env: f.environment(s, dir)})
	if err != nil {
		f.pool.withdraw(s)
		return nil, err
	}
	s.logs, err = newLogs(proc.output, f.out, f.recorder(s.stream))
	if err != nil {
		proc.kill()
		proc.wait()
		f.pool.withdraw(s)
		return nil, err
	}
	s.mu.Lock()
	s.proc = proc
	stopped := s.stopped != stopNone
	s.mu.Unlock()
	if stopped { // the pool was closed meanwhile
		proc.kill()
	}
	f.cfg.logger.Debug("agent started", slog.Int("pid", proc.pid))
	go s.logs.pipe.follow()
	go s.ended()
	return s, nil
}

// taskRoot is where an agent finds itself: as on Lambda, next to the program,
// so that a relative path that works here works there.
func (f *function) taskRoot() string {
	path := f.cfg.binary
	if path == "" {
		var err error
		if path, err = os.Executable(); err != nil {
			return os.TempDir()
		}
	}
	dir := filepath.Dir(path)
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return os.TempDir() // `go run` has removed it
	}
	return dir
}

// environment is all that an agent gets to see: what Lambda sets
// (https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html),
// what ties it to this process, and what the user adds.
func (f *function) environment(s *sandbox, dir string) []string {
	env := map[string]string{
		"PATH":                            "/usr/local/bin:/usr/bin:/bin",
		"LANG":                            "en_US.UTF-8",
		"TZ":                              ":UTC",
		"HOME":                            os.TempDir(), // not the user's, where credentials live
		"TMPDIR":                          os.TempDir(),
		"_HANDLER":                        "bootstrap",
		"LAMBDA_TASK_ROOT":                dir,
		"LAMBDA_RUNTIME_DIR":              dir,
		"AWS_REGION":                      f.cfg.region,
		"AWS_DEFAULT_REGION":              f.cfg.region,
		"AWS_LAMBDA_FUNCTION_NAME":        f.cfg.name,
		"AWS_LAMBDA_FUNCTION_VERSION":     f.cfg.version,
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": strconv.Itoa(f.cfg.memory),
		"AWS_LAMBDA_INITIALIZATION_TYPE":  "on-demand",
		"AWS_LAMBDA_LOG_GROUP_NAME":       or(f.cfg.logGroup, "/aws/lambda/"+f.cfg.name),
		"AWS_LAMBDA_LOG_STREAM_NAME":      s.stream,
		"AWS_LAMBDA_RUNTIME_API":          f.address + "/e/" + s.id,
		envMarker:                         "1",
		envLifeline:                       lifelineFD,
	}
	maps.Copy(env, f.cfg.env)
	list := make([]string, 0, len(env))
	for name, value := range env {
		list = append(list, name+"="+value)
	}
	return list
}

// mainHint is for agents that end, or hang, before they ask for work.
func (f *function) mainHint() string {
	if f.cfg.binary != "" {
		return ""
	}
	return " (the agent is this same program: agent.Main() must be the first line of its main, or of TestMain in a test)"
}

// recorder returns where the lines of one log stream go, nil for nowhere.
func (f *function) recorder(stream string) func([]byte) {
	if f.cfg.record == nil {
		return nil
	}
	return func(line []byte) { f.cfg.record(stream, line) }
}

// close ends all environments and drops the events that wait. A second close
// waits for the first.
func (f *function) close() {
	f.ending.Do(func() {
		f.faults.close()
		f.events.close()
		f.pool.close()
		f.events.finish()
		f.memory.close()
	})
}

// randomHex returns n random bytes in hexadecimal.
func randomHex(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails: crypto/rand ends the program instead
	return hex.EncodeToString(b)
}

// newRequestID returns a random UUID.
func newRequestID() string {
	h := []byte(randomHex(16))
	h[12] = '4'
	h[16] = "89ab"[h[16]&3]
	return strings.Join([]string{string(h[:8]), string(h[8:12]), string(h[12:16]), string(h[16:20]), string(h[20:])}, "-")
}
