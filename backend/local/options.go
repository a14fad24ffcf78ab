package local

import (
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"
)

// What a function may be configured to, as Lambda has it:
// https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html (2026-11).
const (
	minMemory      = 128    // MB
	maxMemory      = 10_240 // MB
	maxTimeout     = 900 * time.Second
	maxEnvironment = 4096 // bytes, names and values
	maxEventAge    = 6 * time.Hour
	maxConcurrency = 10_000 // not Lambda's: what one machine can be asked for
)

// config is what the options fill in. New checks it as a whole.
type config struct {
	address         string
	accessKeyID     string // empty: one is made
	secretAccessKey string
	codeStorage     int64         // bytes, of a Server
	updateTime      time.Duration // of a Server

	binary      string // absolute path; empty: this executable
	region      string
	name        string
	version     string
	logGroup    string // empty: the one named after the function
	concurrency int
	memory      int // MB
	timeout     time.Duration
	initTimeout time.Duration
	idleTimeout time.Duration
	eventAge    time.Duration
	eventDelays []time.Duration
	env         map[string]string
	logOutput   io.Writer
	record      func(stream string, line []byte) // if any, gets every line of the log, the platform's own too
	logger      *slog.Logger

	storeSize      int64
	storeThreshold int
	faults         *Faults // nil: none
}

func defaults() config {
	return config{
		address:     anyPort,
		codeStorage: accountCodeStorage,
		region:      region,
		name:        "lambdapool",
		version:     latest,
		concurrency: runtime.NumCPU(),
		memory:      1769, // one vCPU: https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html (2026-11)
		timeout:     maxTimeout,
		initTimeout: 10 * time.Second, // https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html (2026-11)
		idleTimeout: time.Minute,
		eventAge:    maxEventAge,
		eventDelays: []time.Duration{time.Minute, 2 * time.Minute},
		env:         map[string]string{},
		logOutput:   io.Discard,
		logger:      slog.New(slog.DiscardHandler),
		storeSize:   storeSize,
	}
}

// An Option changes what New builds. New returns the error of a bad one.
type Option func(*config) error

// WithBinary runs the program at path as the agent instead of this executable.
// Any program that speaks the Lambda Runtime API will do: a lambdapool agent,
// a handler on aws-lambda-go, a bootstrap script. It is started without arguments.
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
func WithConcurrency(n int) Option {
	return func(c *config) error {
		if n < 1 || n > maxConcurrency {
			return fmt.Errorf("concurrency %d: must be 1 to %d", n, maxConcurrency)
		}
		c.concurrency = n
		return nil
	}
}

// WithMemory sets the memory of one agent in MB, 128 to 10,240; the default is
// 1,769, which is one vCPU. An agent whose resident size grows above it is killed.
func WithMemory(mb int) Option {
	return func(c *config) error {
		if mb < minMemory || mb > maxMemory {
			return fmt.Errorf("memory %d MB: must be %d to %d MB", mb, minMemory, maxMemory)
		}
		c.memory = mb
		return nil
	}
}

// WithTimeout sets how long one invocation may run before its agent is killed:
// 1 ms to 900 s, which is the default. Lambda itself takes whole seconds only;
// shorter ones are for tests.
func WithTimeout(d time.Duration) Option {
	return func(c *config) error {
		if d < time.Millisecond || d > maxTimeout {
			return fmt.Errorf("timeout %v: must be 1ms to %v", d, maxTimeout)
		}
		c.timeout = d
		return nil
	}
}

// WithInitTimeout sets how long an agent may take from its start until it asks
// for its first invocation: 1 ms to 900 s. The default is Lambda's 10 s.
func WithInitTimeout(d time.Duration) Option {
	return func(c *config) error {
		if d < time.Millisecond || d > maxTimeout {
			return fmt.Errorf("init timeout %v: must be 1ms to %v", d, maxTimeout)
		}
		c.initTimeout = d
		return nil
	}
}

// WithIdleTimeout sets how long an agent without work is kept warm; at least
// 1 ms, the default is one minute.
func WithIdleTimeout(d time.Duration) Option {
	return func(c *config) error {
		if d < time.Millisecond {
			return fmt.Errorf("idle timeout %v: must be at least 1ms", d)
		}
		c.idleTimeout = d
		return nil
	}
}

// WithEventRetries says what becomes of an Event invocation that ends in a
// function error: it runs again after each of delays, at most twice, and is
// dropped once it is older than maxAge. The default is Lambda's: six hours, and
// delays of one and two minutes. No delays: no retries.
func WithEventRetries(maxAge time.Duration, delays ...time.Duration) Option {
	return func(c *config) error {
		if maxAge < time.Millisecond || maxAge > maxEventAge {
			return fmt.Errorf("age of events %v: must be 1ms to %v", maxAge, maxEventAge)
		}
		if len(delays) > 2 {
			return fmt.Errorf("%d retries of events: must be 0 to 2", len(delays))
		}
		for _, d := range delays {
			if d < 0 {
				return fmt.Errorf("delay %v before the retry of an event: must not be negative", d)
			}
		}
		c.eventAge, c.eventDelays = maxAge, slices.Clone(delays)
		return nil
	}
}

var functionName = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,64}$`)

// WithFunctionName sets the name under which the function is invoked: up to 64
// letters, digits, hyphens and underscores. The default is "lambdapool".
func WithFunctionName(name string) Option {
	return func(c *config) error {
		if !functionName.MatchString(name) {
			return fmt.Errorf("function name %q: must be 1 to 64 letters, digits, hyphens and underscores", name)
		}
		c.name = name
		return nil
	}
}

// WithLogOutput receives what the agents write to stdout and stderr, in whole
// lines, one Write at a time. A Write that blocks holds the agents up. The
// default discards it.
func WithLogOutput(w io.Writer) Option {
	return func(c *config) error {
		if w == nil {
			return fmt.Errorf("log output: nil writer (leave the option out to discard)")
		}
		c.logOutput = w
		return nil
	}
}

// WithLogger receives the life of the agents: started, killed, reaped, events
// dropped. Payloads, results and credentials never appear in it. The default
// discards it.
func WithLogger(l *slog.Logger) Option {
	return func(c *config) error {
		if l == nil {
			return fmt.Errorf("logger: nil (leave the option out to discard)")
		}
		c.logger = l
		return nil
	}
}

// WithStoreSize bounds the bytes of large payloads that are kept in temporary files,
// all together; the default is 4 GiB. A call whose payload has no room then fails,
// and is tried again while it has time.
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
// invocation could carry them. The default is what an invocation cannot carry.
func WithStoreThreshold(bytes int) Option {
	return func(c *config) error {
		if bytes < 1 {
			return fmt.Errorf("threshold of the store: %d bytes: must be at least 1", bytes)
		}
		c.storeThreshold = bytes
		return nil
	}
}

// The names Lambda keeps for itself
// (https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html, 2026-11), and this package's.
var reserved = []string{
	"_HANDLER", "_X_AMZN_TRACE_ID", "AWS_DEFAULT_REGION", "AWS_REGION", "AWS_EXECUTION_ENV",
	"AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "AWS_LAMBDA_FUNCTION_VERSION",
	"AWS_LAMBDA_INITIALIZATION_TYPE", "AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME",
	"AWS_LAMBDA_MAX_CONCURRENCY", "AWS_LAMBDA_METADATA_API", "AWS_LAMBDA_METADATA_TOKEN", "AWS_LAMBDA_RUNTIME_API",
	"AWS_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN",
	"LAMBDA_TASK_ROOT", "LAMBDA_RUNTIME_DIR", envMarker, envLifeline,
}

var envName = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9_]+$`)

// WithEnv adds variables to the agents' environment, which otherwise holds only
// what Lambda sets: nothing of this process's own environment reaches them.
// Names follow Lambda's rules, and names and values together stay within 4 KB.
func WithEnv(env map[string]string) Option {
	return func(c *config) error {
		for _, name := range slices.Sorted(maps.Keys(env)) {
			switch {
			case slices.Contains(reserved, name):
				hint := ""
				if strings.HasPrefix(name, "AWS_ACCESS_KEY") || strings.HasPrefix(name, "AWS_SE") {
					hint = " (on Lambda the role sets it; here AWS_SHARED_CREDENTIALS_FILE and AWS_PROFILE do the same)"
				}
				return fmt.Errorf("environment variable %s: reserved for the platform%s", name, hint)
			case !envName.MatchString(name):
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
		if size > maxEnvironment {
			return fmt.Errorf("environment of %d bytes: must be at most %d (pass large values as arguments)", size, maxEnvironment)
		}
		c.env = merged
		return nil
	}
}
