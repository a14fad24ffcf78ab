package soak_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/awslambda"
	"github.com/lambdapool/lambdapool/backend/local"
)

// What nobody may find where it does not belong.
const (
	plantedArgument = "planted-argument-7d41c0e85b"
	plantedResult   = "planted-result-93ab6f12d4"
	plantedSetting  = "planted-setting-c25e8807fa" // of the agents' environment
	plantedAccount  = "AKIAPLANTED000000001"       // of the client's, like the next two
	plantedKey      = "planted-secret-key-5f0c9b7a1e6d4382"
	plantedSession  = "planted-session-token-e81d20b6c7"
	plantedToken    = "planted-own-token-46fa93de10" // and one that AWS knows nothing of
)

const settingVariable = "SECRETS_SETTING"

// confidential is what an argument or a result says.
type confidential struct{ Text string }

var (
	// reveal takes a secret and returns another: it knows how to fail on the way.
	reveal = lambdapool.Register("secrets.reveal", func(ctx context.Context, how confidential) (confidential, error) {
		what, _, _ := strings.Cut(how.Text, " ")
		switch what {
		case "fail":
			return confidential{plantedResult}, errors.New("it did not work out")
		case "panic":
			panic("out of luck")
		case "linger":
			<-ctx.Done()
			return confidential{plantedResult}, ctx.Err()
		case "exit":
			os.Exit(3)
		}
		return confidential{strings.Repeat(plantedResult, max(1, len(how.Text)/100))}, nil
	})
	// surroundings tells all that an agent could read about its client.
	surroundings = lambdapool.Register("secrets.surroundings", func(context.Context, int) ([]string, error) {
		return append(os.Environ(), os.Args...), nil
	})
	undecodable = lambdapool.Register("secrets.undecodable", func(_ context.Context, c confidential) (thorny, error) {
		return thorny{c.Text}, nil
	})
)

// thorny travels, but does not arrive.
type thorny struct{ text string }

// MarshalText implements encoding.TextMarshaler.
func (t thorny) MarshalText() ([]byte, error) { return []byte(t.text), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (t *thorny) UnmarshalText([]byte) error { return errors.New("not in the mood") }

// forms are a secret, and what it looks like in other clothes.
func forms(secret string) []string {
	all := []string{secret, hex.EncodeToString([]byte(secret)), url.QueryEscape(secret)}
	for shift := range 3 { // base64 depends on what stands before; the edges depend on the neighbours
		text := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", shift) + secret))
		all = append(all, text[4:len(text)-4])
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// A place is where secrets are looked for. It is safe for concurrent use.
type place struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (p *place) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.Write(b)
}

func (p *place) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.String()
}

// holdsNone looks for secrets in a place.
func (p *place) holdsNone(t *testing.T, name string, secrets ...string) {
	t.Helper()
	text := p.String()
	if text == "" {
		t.Errorf("nothing was written to %s: the test would find nothing there", name)
	}
	for _, secret := range secrets {
		for _, form := range forms(secret) {
			if at := strings.Index(text, form); at >= 0 {
				t.Errorf("%s: %s shows as %q:\n…%s…", name, secret, form, text[max(0, at-300):min(len(text), at+100)])
				break
			}
		}
	}
}

// faultsOneByOne are all faults, each for every invocation.
func faultsOneByOne() map[string]local.Faults {
	return map[string]local.Faults{
		"none":         {},
		"Throttle":     {Throttle: local.Throttle{Limit: func(time.Duration) int { return 0 }}},
		"Refuse":       {Refuse: 1},
		"ErrorBefore":  {ErrorBefore: 1},
		"ErrorAfter":   {ErrorAfter: 1},
		"ResetBefore":  {ResetBefore: 1},
		"ResetAfter":   {ResetAfter: 1},
		"Truncate":     {Truncate: 1},
		"Corrupt":      {Corrupt: 1},
		"Slow":         {Slow: 1, SlowFor: 20 * time.Millisecond},
		"Straggle":     {Straggle: 1, StraggleBy: 3},
		"Crash":        {Crash: 1},
		"OutOfMemory":  {OutOfMemory: 1},
		"Stale":        {Stale: 1},
		"ColdStart":    {ColdStart: 5 * time.Millisecond},
		"half of them": {Corrupt: 0.25, Truncate: 0.25},
	}
}

// timeLeft is how long calls may take: as long as it takes, unless they are never let in.
func timeLeft(faults local.Faults) time.Duration {
	if faults.Throttle.Limit != nil || faults.Refuse == 1 {
		return time.Second
	}
	return 5 * time.Minute
}

// gossip is all that is said about the calls with one set of faults.
type gossip struct {
	failures, logs, output place

	mu   sync.Mutex
	errs []error
	told int // agents that told of their surroundings
}

func TestNoSecretGetsOut(t *testing.T) {
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": plantedAccount, "AWS_SECRET_ACCESS_KEY": plantedKey,
		"AWS_SESSION_TOKEN": plantedSession, "OWN_TOKEN": plantedToken,
	} {
		t.Setenv(name, value)
	}
	var (
		mu   sync.Mutex
		errs []error // of all calls
		told int     // agents that told of their surroundings
	)
	t.Run("faults", func(t *testing.T) {
		for name, faults := range faultsOneByOne() {
			t.Run(name, func(t *testing.T) {
				t.Parallel() // most of the time they wait
				faults.Seed = *seed
				var g gossip
				g.listen(t, faults, timeLeft(faults))
				mu.Lock()
				defer mu.Unlock()
				errs, told = append(errs, g.errs...), told+g.told
			})
		}
	})
	for _, kind := range []error{
		lambdapool.ErrThrottled, lambdapool.ErrTimeout, lambdapool.ErrUnknownOutcome, lambdapool.ErrOutOfMemory,
		lambdapool.ErrAgentCrashed, lambdapool.ErrVersionMismatch, lambdapool.ErrDecode, lambdapool.ErrBadArguments,
	} {
		if !slices.ContainsFunc(errs, func(err error) bool { return errors.Is(err, kind) }) {
			t.Errorf("no call ended in %q: its error was not looked at", kind)
		}
	}
	if told == 0 {
		t.Error("no agent told its surroundings")
	}
}

// listen makes calls about secrets with one set of faults, and looks for the
// secrets in all that is said about the calls.
func (g *gossip) listen(t *testing.T, faults local.Faults, limit time.Duration) {
	t.Helper()
	debug := slog.New(slog.NewTextHandler(&g.logs, &slog.HandlerOptions{Level: slog.LevelDebug, AddSource: true}))
	b, err := local.New(
		local.WithConcurrency(8), local.WithFaults(faults), local.WithLogger(debug), local.WithLogOutput(&g.output),
		local.WithStoreThreshold(64<<10), local.WithEnv(map[string]string{settingVariable: plantedSetting}),
	)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	id, secret := b.Credentials()
	// Once more through the client that production has, for its log.
	direct, err := awslambda.New(t.Context(), b.FunctionName(),
		awslambda.WithConfig(aws.Config{Region: "us-east-1", BaseEndpoint: aws.String(b.Endpoint())}),
		awslambda.WithStaticCredentials(id, secret, plantedSession), awslambda.WithClientLog(debug))
	if err != nil {
		t.Fatal(err)
	}
	defer direct.Close()
	var both sync.WaitGroup
	for _, backend := range []lambdapool.Backend{b, direct} {
		e, err := lambdapool.New(backend, lambdapool.WithLogger(debug), lambdapool.WithTimeout(limit),
			lambdapool.WithRetry(lambdapool.RetryPolicy{MaxAttempts: 2, BaseDelay: time.Millisecond}))
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		both.Go(func() { g.confide(t, e) })
	}
	both.Wait()
	for _, verb := range []string{"%v", "%+v", "%#v"} {
		fmt.Fprintf(&g.failures, verb+"\n"+verb+"\n", b, direct)
	}
	for _, err := range g.errs {
		fmt.Fprintf(&g.failures, "%v\n%+v\n%q\n", err, err, err)
		if pool, ok := errors.AsType[*lambdapool.PoolError](err); ok {
			fmt.Fprintf(&g.failures, "%s\n%s\n", pool.LogTail, pool.Hint)
		}
		debug.Error("a call failed", "error", err)
	}
	fmt.Fprintln(&g.output, "the agents may write nothing at all")
	all := []string{
		plantedArgument, plantedResult, plantedSetting, plantedAccount, plantedKey, plantedSession, plantedToken,
		secret, "signature=", // of a link to a stored payload
	}
	g.failures.holdsNone(t, "an error", all...)
	g.logs.holdsNone(t, "the log", all...)
	g.output.holdsNone(t, "the agents' output", all...)
}

func (g *gossip) keep(err error) {
	if err != nil {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.errs = append(g.errs, err)
	}
}

// confide makes one call of each sort.
func (g *gossip) confide(t *testing.T, e *lambdapool.Executor) {
	t.Helper()
	ctx := t.Context()
	var all sync.WaitGroup
	for _, how := range []string{"tell", "fail", "panic", "linger", "exit", "large"} {
		all.Go(func() {
			ctx := ctx
			if how == "linger" {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, 500*time.Millisecond)
				defer cancel()
			}
			text := how + " " + plantedArgument
			if how == "large" {
				text += strings.Repeat(plantedArgument, 10_000)
			}
			got, err := lambdapool.Call(ctx, e, reveal, confidential{text})
			if err == nil && !strings.HasPrefix(got.Text, plantedResult) {
				t.Errorf("%s: got %.40q", how, got.Text)
			}
			g.keep(err)
		})
	}
	all.Go(func() {
		_, err := lambdapool.Call(ctx, e, undecodable, confidential{plantedArgument})
		g.keep(err)
	})
	all.Go(func() {
		found, err := lambdapool.Call(ctx, e, surroundings, 0)
		g.keep(err)
		if err == nil {
			g.lookAround(t, found)
		}
	})
	all.Wait()
	// Mistakes of the caller, found before anything is sent.
	for _, args := range [][]any{{plantedArgument}, {plantedArgument, plantedResult}, {}} {
		_, err := e.Submit(ctx, reveal, args...).Result(ctx)
		g.keep(err)
	}
	_, err := e.Submit(ctx, "secrets.nothing", plantedArgument).Result(ctx)
	g.keep(err)
}

// lookAround holds an agent's environment and arguments to what belongs there.
func (g *gossip) lookAround(t *testing.T, found []string) {
	t.Helper()
	if !slices.Contains(found, settingVariable+"="+plantedSetting) {
		t.Errorf("the agent does not see its own setting")
	}
	var p place
	fmt.Fprint(&p, strings.Join(found, "\n"))
	p.holdsNone(t, "the agent's environment", plantedArgument, plantedResult, plantedAccount, plantedKey, plantedSession, plantedToken)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.told++
}
