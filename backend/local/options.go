package local

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/lambdapool/lambdapool/backend/local/internal/logs"
	"github.com/lambdapool/lambdapool/backend/local/internal/sandbox"
	"github.com/lambdapool/lambdapool/backend/local/internal/service"
	"github.com/lambdapool/lambdapool/backend/local/internal/wire"
)

// What a Backend's function is that no option says.
const (
	region = "us-east-1"
	role   = "lambdapool" // its agents have assumed it
)

// config is what the options fill in. New checks it as a whole.
type config struct {
	address         string
	accessKeyID     string // empty: one is made
	secretAccessKey string
	codeStorage     int64                                                         // bytes, of a Server
	updateTime      time.Duration                                                 // of a Server
	agents          int                                                           // of a Server, at once
	data            string                                                        // directory that outlives this process; empty: nothing is kept
	fetch           func(ctx context.Context, bucket, key string) ([]byte, error) // of a Server; nil: there is no S3

	binary      string // absolute path; empty: this executable
	name        string
	concurrency int
	shards      int
	law         service.ScalingLaw
	memory      int // MB
	timeout     time.Duration
	initTimeout time.Duration
	idleTimeout time.Duration
	freeze      bool
	events      service.Terms
	env         map[string]string
	logOutput   io.Writer
	logNamed    bool // its lines say which agent they are of, and are escaped
	logger      *slog.Logger

	isolation bool

	storeSize      int64
	storeThreshold int
	faults         *Faults // nil: none
}

func defaults() config {
	return config{
		address:     anyPort,
		codeStorage: accountCodeStorage,
		agents:      service.MaxConcurrency,
		name:        "lambdapool",
		concurrency: runtime.NumCPU(),
		shards:      1,
		memory:      1769, // one vCPU: https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html (2026-11)
		timeout:     service.MaxTimeout,
		initTimeout: 10 * time.Second, // https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html (2026-11)
		idleTimeout: time.Minute,
		events:      service.Terms{Age: service.MaxEventAge, Delays: []time.Duration{time.Minute, 2 * time.Minute}},
		env:         map[string]string{},
		logOutput:   io.Discard,
		logger:      slog.New(slog.DiscardHandler),
		storeSize:   defaultStoreSize,
		isolation:   true,
	}
}

// environments is what the options say of those of functions.
func (c *config) environments(address string) sandbox.Spec {
	return sandbox.Spec{
		Binary: c.binary, Region: region, Name: c.name, Version: wire.Latest, Memory: c.memory, Env: c.env, Isolation: c.isolation,
		Most: c.concurrency, Timeout: c.timeout, InitTimeout: c.initTimeout, IdleTimeout: c.idleTimeout, Freeze: c.freeze,
		Address: address, Build: func() string { return "" },
		Output: logs.NewOutput(c.logOutput), Named: c.logNamed, Logger: c.logger,
	}
}

// defaultStoreSize is how much the objects of a store take together, unless WithStoreSize
// says otherwise.
const defaultStoreSize = 4 << 30

// An Option changes what [New] builds, or [NewServer]. They return the error of a bad one,
// which names it. Of two that say the same the last one counts; those of [WithEnv] are
// merged.
type Option func(*config) error

// WithBinary runs the program at path as the agent instead of this executable. Any program
// that speaks the Lambda Runtime API will do: a lambdapool agent, a handler on
// aws-lambda-go, a bootstrap script. It is started without arguments.
//
// Use it for an agent that is a program of its own, as it will be on Lambda, and in a test
// of one that is not. The path is made absolute, and the file must be executable when New
// is called; it may be replaced later, and agents that start then are of the new build (see
// [Backend.Build]). On Linux the kernel kills such an agent when this process ends; what it
// has started may remain, unless it calls agent.Main.
func WithBinary(path string) Option {
	return func(c *config) error {
		abs, err := filepath.Abs(path)
		if err != nil {
			return fmt.Errorf("binary %q: %w", path, err)
		}
		info, err := os.Stat(abs)
		switch {
		case err != nil:
			return fmt.Errorf("binary %q: %w", path, err)
		case !info.Mode().IsRegular():
			return fmt.Errorf("binary %q: not a regular file", path)
		case info.Mode()&0o111 == 0:
			return fmt.Errorf("binary %q: not executable (chmod +x it)", path)
		}
		c.binary = abs
		return nil
	}
}

// WithConcurrency bounds the agents that exist at once, and so the invocations
// that run at once; one more is answered 429, as on Lambda with reserved
// concurrency. 1 to 10,000; the default is runtime.NumCPU.
//
// An executor has as many workers, so calls beyond it wait there and are not refused. More
// than there are CPUs is of use where functions wait for something; each agent takes some
// megabytes, some open files of this process and a moment to start. For a Server it is the
// account's concurrency in each region, by default Lambda's 1,000, and [WithAgents] is what
// spares the machine.
func WithConcurrency(n int) Option {
	return func(c *config) error {
		if n < 1 || n > service.MaxConcurrency {
			return fmt.Errorf("concurrency %d: must be 1 to %d", n, service.MaxConcurrency)
		}
		c.concurrency = n
		return nil
	}
}

// WithMemory sets the memory of one agent in MB, 128 to 10,240; the default is
// 1,769, which is one vCPU. An agent whose resident size grows above it is killed, and its
// call fails with ErrOutOfMemory.
//
// Set it to what the function will have on Lambda, so that what does not fit there does not
// fit here. It is not taken from the machine: ten agents of 10 GB may run on one that has
// 16, as long as they do not use it. The size is sampled every few milliseconds, so an
// agent may exceed it for that long. Lambda gives CPU in proportion to it; here it does
// not.
func WithMemory(mb int) Option {
	return func(c *config) error {
		if mb < service.MinMemory || mb > service.MaxMemory {
			return fmt.Errorf("memory %d MB: must be %d to %d MB", mb, service.MinMemory, service.MaxMemory)
		}
		c.memory = mb
		return nil
	}
}

// WithTimeout sets how long one invocation may run before its agent is killed:
// 1 ms to 900 s, which is the default. Lambda itself takes whole seconds only;
// shorter ones are for tests.
//
// A function of this module hears of it before: its context ends early enough that the
// agent can still answer, and the call fails with ErrTimeout. One that does not listen is
// killed with its agent at the timeout. To bound calls, and not agents, use the executor's
// WithTimeout.
func WithTimeout(d time.Duration) Option {
	return func(c *config) error {
		if d < time.Millisecond || d > service.MaxTimeout {
			return fmt.Errorf("timeout %v: must be 1ms to %v", d, service.MaxTimeout)
		}
		c.timeout = d
		return nil
	}
}

// WithInitTimeout sets how long an agent may take from its start until it asks
// for its first invocation: 1 ms to 900 s. The default is Lambda's 10 s.
//
// One that takes longer is killed and started once more, within the function's timeout, as
// on Lambda. Raise it for a program that loads much while it starts, to see what that
// costs, and lower it in a test of what happens then.
func WithInitTimeout(d time.Duration) Option {
	return func(c *config) error {
		if d < time.Millisecond || d > service.MaxTimeout {
			return fmt.Errorf("init timeout %v: must be 1ms to %v", d, service.MaxTimeout)
		}
		c.initTimeout = d
		return nil
	}
}

// WithIdleTimeout sets how long an agent without work is kept warm; at least 1 ms, the
// default is one minute. Lambda documents no such time.
//
// A long one spares cold starts where calls come now and then; a short one gives memory
// back soon, and has every call begin in a new process. Nothing that a function leaves in
// memory is sure to be there for the next call, whatever it is set to.
func WithIdleTimeout(d time.Duration) Option {
	return func(c *config) error {
		if d < time.Millisecond {
			return fmt.Errorf("idle timeout %v: must be at least 1ms", d)
		}
		c.idleTimeout = d
		return nil
	}
}

// WithFreeze sets whether agents without work are frozen, as Lambda's are: nothing of
// them runs between two invocations, no timer fires and no goroutine goes on. It shows what
// a function must not leave for later. What has left the agent's process group runs on.
//
// It is off unless asked for: a trivial call that comes after a pause of some milliseconds
// takes about a twelfth longer with it. Calls that follow each other do not, since an agent
// is frozen only when it has had no work for 2 ms. Linux only: elsewhere a frozen agent
// would not notice that this process is gone.
func WithFreeze(on bool) Option {
	return func(c *config) error {
		if on && !sandbox.CanFreeze {
			return fmt.Errorf("freeze: agents can be frozen on Linux only, not on %s", runtime.GOOS)
		}
		c.freeze = on
		return nil
	}
}

// WithEventRetries says what becomes of an Event invocation that ends in a function error:
// it runs again after each of delays, at most twice, and is dropped once it is older than
// maxAge, which is 1 ms to six hours. The default is Lambda's: six hours, and delays of one
// and two minutes. No delays: no retries.
//
// A test sets delays of milliseconds, so that it need not wait for minutes. An executor
// reads them, by EventLimits, to know for how long a detached chunk may still come. For
// errors of the service, as when no agent can be started, an event waits and tries again as
// long as it is young enough, and this costs it none of its retries.
func WithEventRetries(maxAge time.Duration, delays ...time.Duration) Option {
	return func(c *config) error {
		if maxAge < time.Millisecond || maxAge > service.MaxEventAge {
			return fmt.Errorf("age of events %v: must be 1ms to %v", maxAge, service.MaxEventAge)
		}
		if len(delays) > 2 {
			return fmt.Errorf("%d retries of events: must be 0 to 2", len(delays))
		}
		for _, d := range delays {
			if d < 0 {
				return fmt.Errorf("delay %v before the retry of an event: must not be negative", d)
			}
		}
		c.events = service.Terms{Age: maxAge, Delays: slices.Clone(delays)}
		return nil
	}
}

// WithFunctionName sets the name under which the function is invoked: up to 64 letters,
// digits, hyphens and underscores. The default is "lambdapool". Agents see it as
// AWS_LAMBDA_FUNCTION_NAME, and it is in their ARNs and in the name of their log group. An
// executor does not care; it is of use where other clients invoke the function by a name
// that they know.
func WithFunctionName(name string) Option {
	return func(c *config) error {
		if !service.Name.MatchString(name) {
			return fmt.Errorf("function name %q: must be 1 to 64 letters, digits, hyphens and underscores", name)
		}
		c.name = name
		return nil
	}
}

// WithLogOutput receives what the agents write to stdout and stderr, as it is, in
// whole lines, one Write at a time. A Write that blocks holds the agents up.
//
// Without it, what the agents of a Backend print goes to this program's stderr: each
// line begins with "[agent N] ", and control characters in it are escaped.
// io.Discard silences them. A Server's agents are silent by default; their log is
// in CloudWatch Logs.
func WithLogOutput(w io.Writer) Option {
	return func(c *config) error {
		if w == nil {
			return fmt.Errorf("log output: nil writer (io.Discard silences the agents)")
		}
		c.logOutput, c.logNamed = w, false
		return nil
	}
}

// WithLogger receives the life of the agents: started, killed, reaped, events
// dropped. Payloads, results and credentials never appear in it. The default
// discards it. What the agents print themselves is for [WithLogOutput].
//
// An event that is dropped, an agent that never asked for work and an event that could not
// be restored are warnings and errors, worth a look in production; starts are at the level
// Debug.
func WithLogger(l *slog.Logger) Option {
	return func(c *config) error {
		if l == nil {
			return fmt.Errorf("logger: nil (leave the option out to discard)")
		}
		c.logger = l
		return nil
	}
}

// WithIsolation says whether an agent runs functions in a process of its own, which is the
// default. Then one that dies takes with it only the items that ran at that moment: those
// that had ended keep their values, those that had not begun are run by its successor, and
// the environment lives on. Off, a crash ends the whole agent, and nobody knows which items
// ran.
//
// It costs about two milliseconds of a cold start and 4 MB of the agent's memory. Linux has
// it; elsewhere the option changes nothing. An agent that is not of this module ignores it.
// A LAMBDAPOOL_ISOLATION set by [WithEnv], "on" or "off", has the last word.
func WithIsolation(on bool) Option {
	return func(c *config) error {
		c.isolation = on
		return nil
	}
}

// WithStoreSize bounds the bytes of large payloads that are kept in temporary files,
// all together; the default is 4 GiB. A call whose payload has no room then fails with
// ErrStore, and is tried again while it has time.
//
// Payloads of calls are removed when their call has ended, so it must hold those that are
// in flight and wait. Detached runs stay until somebody deletes them; give them room for
// all their arguments and results.
func WithStoreSize(bytes int64) Option {
	return func(c *config) error {
		if bytes < 1 {
			return fmt.Errorf("size of the store: %d bytes: must be at least 1", bytes)
		}
		c.storeSize = bytes
		return nil
	}
}

// WithStoreThreshold has payloads above so many bytes go through the store although an
// invocation could carry them. The default is what an invocation cannot carry. It is for
// tests of functions that get their arguments through a store, with arguments that are not
// megabytes long: 1 sends everything that way. It makes nothing faster.
func WithStoreThreshold(bytes int) Option {
	return func(c *config) error {
		if bytes < 1 {
			return fmt.Errorf("threshold of the store: %d bytes: must be at least 1", bytes)
		}
		c.storeThreshold = bytes
		return nil
	}
}

// WithEnv adds variables to the agents' environment, which otherwise holds only what Lambda
// sets: nothing of this process's own environment reaches them. Of the credentials of a
// role, which are good for the embedded endpoint only, and of AWS_ENDPOINT_URL, which says
// where that is, nothing is set where env says with AWS_PROFILE,
// AWS_SHARED_CREDENTIALS_FILE or AWS_CONFIG_FILE that agents have others. A
// LAMBDAPOOL_BUILD in env is what agents say of their build, instead of what
// [Backend.Build] does. Names follow Lambda's rules, and names and values together stay
// within 4 KB.
func WithEnv(env map[string]string) Option {
	return func(c *config) error {
		for _, name := range slices.Sorted(maps.Keys(env)) {
			switch {
			case service.Reserved(name):
				hint := ""
				if strings.HasPrefix(name, "AWS_ACCESS_KEY") || strings.HasPrefix(name, "AWS_SE") {
					hint = " (on Lambda the role sets it, and here what is good for this endpoint only; for another use AWS_SHARED_CREDENTIALS_FILE and AWS_PROFILE)"
				}
				return fmt.Errorf("environment variable %s: reserved for the platform%s", name, hint)
			case !service.EnvName.MatchString(name):
				return fmt.Errorf("environment variable %q: a name is two or more letters, digits and underscores and begins with a letter", name)
			case strings.ContainsRune(env[name], 0):
				return fmt.Errorf("environment variable %s: its value contains a NUL byte", name)
			}
		}
		merged := maps.Clone(c.env)
		maps.Copy(merged, env)
		size := 0
		for name, value := range merged {
			size += len(name) + len(value)
		}
		if size > service.MaxEnvironment {
			return fmt.Errorf("environment of %d bytes: must be at most %d (pass large values as arguments)", size, service.MaxEnvironment)
		}
		c.env = merged
		return nil
	}
}
