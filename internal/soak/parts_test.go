package soak_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend"
	"github.com/lambdapool/lambdapool/backend/awslambda"
	"github.com/lambdapool/lambdapool/backend/local"
	"github.com/lambdapool/lambdapool/internal/s3local"
)

// partVariable holds, as JSON, what a process plays that is no test.
const partVariable = "SOAK_PART"

const bucketName = "soak"

// A part is what such a process plays: a store, a Lambda or a client. It ends when its stdin
// does.
type part struct {
	Play    string
	Address string        // where a store or a Lambda listens
	Dir     string        // of a store's objects, or of a client's journal
	Ledger  string        // what functions write to
	Behind  time.Duration // how far the store's clock is behind everybody else's
	Mortal  time.Duration // how long an agent lives, on average; 0: nobody kills it
	Retries []time.Duration

	// Of clients.
	Cloud, Store string // endpoints; of Google's cloud all that it says of itself
	Google       bool
	Run, Func    string
	Seed         uint64
	Items, Chunk int
	Stored       int    // arguments above so many bytes go through the store
	Out          string // what became of the run
}

const (
	keyID     = "AKIASOAK000000000000"
	secretKey = "soak-soak-soak-soak-soak"

	// functionTimeout is that of the function. Agents that die are given up by the end of it.
	functionTimeout = 6 * time.Second
)

// startWithin is how long the calls of a run may wait for an agent: ten times as long as they
// take where nothing else is done. A call that the platform has dropped is known to be lost after that.
func startWithin(items int) time.Duration {
	return 3*time.Minute + time.Duration(items)*60*time.Millisecond
}

// mortalVariable says, in an agent's environment, how long agents live.
const mortalVariable = "SOAK_MORTAL"

func init() {
	mean, err := time.ParseDuration(os.Getenv(mortalVariable))
	if err != nil {
		return // not an agent, or one that nobody kills
	}
	// As if somebody else did it: no defer, no flush, in the middle of whatever it does.
	time.AfterFunc(time.Duration(rand.ExpFloat64()*float64(mean)), func() {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	})
}

// play plays the part that the environment names, if any, and returns its exit code.
func play() (code int, played bool) {
	text := os.Getenv(partVariable)
	if text == "" {
		return 0, false
	}
	var p part
	err := json.Unmarshal([]byte(text), &p)
	if err == nil {
		switch p.Play {
		case "store":
			err = p.store()
		case "lambda":
			err = p.lambda()
		case "google store":
			err = p.googleStore()
		case "google":
			err = p.google()
		case "send", "attach":
			go untilOrphan()
			err = p.client()
		case "journal":
			go untilOrphan()
			err = p.journal()
		default:
			err = fmt.Errorf("there is no part %q", p.Play)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1, true
	}
	return 0, true
}

// untilOrphan ends this process when the one that has started it is gone.
func untilOrphan() {
	_, _ = io.Copy(io.Discard, os.Stdin)
	os.Exit(3)
}

// tell says something to the process that has started this one.
func tell(words ...any) { fmt.Fprintln(os.Stdout, words...) }

// store serves S3, as `lambdapool local` does, with another clock if it is to have one. Its
// stdin says whether there is room.
func (p *part) store() error {
	return p.serveStore(func(now func() time.Time, room func(int64) bool) (store, error) {
		return s3local.Open(s3local.Config{
			Dir: p.Dir, Address: p.Address, Buckets: []string{bucketName}, AccessKeyID: keyID, SecretAccessKey: secretKey, Now: now, Room: room,
		})
	})
}

// A store is a server of objects.
type store interface {
	Endpoint() string
	Close() error
}

// serveStore serves one, as store has it.
func (p *part) serveStore(open func(now func() time.Time, room func(int64) bool) (store, error)) error {
	var now func() time.Time
	if p.Behind != 0 {
		now = func() time.Time { return time.Now().Add(-p.Behind) }
	}
	var full atomic.Bool
	var s store
	err := untilFree(func() (err error) {
		s, err = open(now, func(int64) bool { return !full.Load() })
		return err
	})
	if err != nil {
		return err
	}
	tell(strings.TrimPrefix(s.Endpoint(), "http://"))
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		full.Store(lines.Text() == "no room")
	}
	return s.Close()
}

// untilFree tries to listen: the port may be somebody's for a moment.
func untilFree(listen func() error) (err error) {
	for range 100 {
		if err = listen(); err == nil {
			break
		}
		pause(100 * time.Millisecond)
	}
	return err
}

// lambda is the embedded Lambda, its agents are copies of this executable.
func (p *part) lambda() error {
	env := map[string]string{ledgerVariable: p.Ledger}
	if p.Mortal > 0 {
		env[mortalVariable] = p.Mortal.String()
	}
	if err := os.Unsetenv(partVariable); err != nil {
		return err
	}
	b, err := local.New(
		local.WithAddress(p.Address), local.WithCredentials(keyID, secretKey), local.WithConcurrency(agents),
		local.WithTimeout(functionTimeout), local.WithEventRetries(time.Hour, p.Retries...), local.WithEnv(env),
		local.WithLogOutput(os.Stderr), local.WithLogger(slog.New(slog.NewTextHandler(os.Stderr, nil))),
	)
	if err != nil {
		return err
	}
	tell(strings.TrimPrefix(b.Endpoint(), "http://"))
	_, _ = io.Copy(io.Discard, os.Stdin)
	return b.Close()
}

// pause waits. What it waits for is another process.
func pause(d time.Duration) { <-time.After(d) }

// An ending is what became of one item, as a client is told.
type ending struct {
	Kind string // "value", "function error", or what a PoolError is of
	Text string // the value, or the error
}

// A report is what a client says of a run.
type report struct {
	Endings []ending
	State   lambdapool.RunState
}

// client sends a run, or attaches to it, and reports what became of it. It goes on until it
// has all results, whatever happens; only what no waiting mends is an error.
func (p *part) client() error {
	ctx := context.Background()
	open := p.onLambda
	if p.Google {
		open = p.onGoogle
	}
	b, err := open(ctx)
	if err != nil {
		return err
	}
	e, err := lambdapool.New(b, lambdapool.WithLogger(slog.New(slog.NewTextHandler(os.Stderr, nil))))
	if err != nil {
		return errors.Join(err, b.Close())
	}
	fn := detachedOnce
	if p.Func == detachedOften.Name() {
		fn = detachedOften
	}
	return errors.Join(p.follow(ctx, e, fn), e.Close(), b.Close())
}

func (p *part) onLambda(ctx context.Context) (backend.Backend, error) {
	return awslambda.New(ctx, "lambdapool", awslambda.WithRegion("us-east-1"), awslambda.WithEndpoint("http://"+p.Cloud),
		awslambda.WithStaticCredentials(keyID, secretKey, ""), awslambda.WithFunctionTimeout(functionTimeout),
		awslambda.WithBucket(bucketName, awslambda.BucketEndpoint("http://"+p.Store), awslambda.PathStyle(), awslambda.Threshold(p.Stored)))
}

func (p *part) follow(ctx context.Context, e *lambdapool.Executor, fn *lambdapool.Func[job, product]) error {
	for {
		run, err := p.run(ctx, e, fn)
		switch {
		case err == nil:
			tell("sent")
			var r report
			if r.Endings, err = endings(ctx, run); err == nil {
				r.State, err = run.State(ctx)
			}
			err = errors.Join(err, run.Close())
			if err == nil {
				return r.write(p.Out)
			}
		case strings.Contains(err.Error(), "is another run"), errors.Is(err, lambdapool.ErrBadArguments),
			errors.Is(err, lambdapool.ErrVersionMismatch), errors.Is(err, lambdapool.ErrAccessDenied):
			return err
		}
		fmt.Fprintln(os.Stderr, time.Now().Format(time.StampMilli), err)
		pause(500 * time.Millisecond)
	}
}

func (p *part) run(ctx context.Context, e *lambdapool.Executor, fn *lambdapool.Func[job, product]) (*lambdapool.Run[product], error) {
	if p.Play == "attach" {
		return lambdapool.Attach(ctx, e, fn, p.Run)
	}
	return lambdapool.MapDetached(ctx, e, fn, jobs(p.Seed, p.Items, p.Stored),
		lambdapool.RunName(p.Run), lambdapool.ChunkSize(p.Chunk), lambdapool.StartWithin(startWithin(p.Items)))
}

// endings waits for all items.
func endings(ctx context.Context, run *lambdapool.Run[product]) ([]ending, error) {
	all := make([]ending, run.Len())
	for r := range run.Results(ctx) {
		switch {
		case r.Index < 0:
			return nil, r.Err
		case all[r.Index].Kind != "":
			return nil, fmt.Errorf("item %d ends twice", r.Index)
		}
		all[r.Index] = endingOf(r.Value, r.Err)
	}
	for i, a := range all {
		if a.Kind == "" {
			return nil, fmt.Errorf("item %d has no end", i)
		}
	}
	return all, nil
}

func endingOf(value product, err error) ending {
	var function *lambdapool.FunctionError
	var pool *lambdapool.PoolError
	switch {
	case err == nil:
		return ending{"value", value.String()}
	case errors.As(err, &function):
		return ending{"function error", fmt.Sprint(function.Panic, function.Message, errors.Is(err, errUnlucky))}
	case errors.As(err, &pool):
		return ending{pool.Kind.Error(), err.Error()}
	default:
		return ending{"?", err.Error()}
	}
}

// write makes the report appear, whole.
func (r *report) write(path string) error {
	body, err := json.Marshal(r)
	if err == nil {
		err = os.WriteFile(path+".half", body, 0o600)
	}
	if err == nil {
		err = os.Rename(path+".half", path)
	}
	return err
}
