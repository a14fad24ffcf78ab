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
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/awslambda"
	"github.com/lambdapool/lambdapool/backend/local"
	"github.com/lambdapool/lambdapool/internal/s3local"
)

// partVariable holds, as JSON, what a process plays that is no test.
const partVariable = "SOAK_PART"

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
	Lambda, Store string // endpoints
	Run, Func     string
	Seed          uint64
	Items, Chunk  int
	Stored        int    // arguments above so many bytes go through the store
	Out           string // what became of the run
}

const (
	keyID     = "AKIASOAK000000000000"
	secretKey = "soak-soak-soak-soak-soak"

	// functionTimeout is that of the function. Agents that die are given up by the end of it.
	functionTimeout = 6 * time.Second

	// startWithin is how long calls may wait for an agent.
	startWithin = 3 * time.Minute
)

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
		case "odd-store":
			err = p.oddStore()
		case "lambda":
			err = p.lambda()
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

// store serves S3, as `lambdapool local` does.
func (p *part) store() error {
	var s *s3local.Server
	err := untilFree(func() (err error) {
		s, err = s3local.Open(s3local.Config{
			Dir: p.Dir, Address: p.Address, Buckets: []string{bucketName}, AccessKeyID: keyID, SecretAccessKey: secretKey,
		})
		return err
	})
	if err != nil {
		return err
	}
	tell(strings.TrimPrefix(s.Endpoint(), "http://"))
	_, _ = io.Copy(io.Discard, os.Stdin)
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

// oddStore serves S3, with another clock or no room. Its stdin says how much there is.
func (p *part) oddStore() error {
	b, err := openBucket(p.Dir, clock(-p.Behind))
	if err != nil {
		return err
	}
	var listener net.Listener
	err = untilFree(func() error {
		listener, err = new(net.ListenConfig).Listen(context.Background(), "tcp4", p.Address)
		return err
	})
	if err != nil {
		return err
	}
	tell(listener.Addr())
	server := &http.Server{Handler: b.handler(), ReadHeaderTimeout: 10 * time.Second}
	go func() {
		for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
			var quota int64
			if _, err := fmt.Sscanf(lines.Text(), "room %d", &quota); err == nil {
				b.allow(quota)
			}
		}
		_ = server.Close()
	}()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
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
	b, err := awslambda.New(ctx, "lambdapool", awslambda.WithRegion("us-east-1"), awslambda.WithEndpoint("http://"+p.Lambda),
		awslambda.WithStaticCredentials(keyID, secretKey, ""), awslambda.WithFunctionTimeout(functionTimeout),
		awslambda.WithBucket(bucketName, awslambda.BucketEndpoint("http://"+p.Store), awslambda.PathStyle(), awslambda.Threshold(p.Stored)))
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
		lambdapool.RunName(p.Run), lambdapool.ChunkSize(p.Chunk), lambdapool.StartWithin(startWithin))
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
