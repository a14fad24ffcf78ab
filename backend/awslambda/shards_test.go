package awslambda_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/awslambda"
	"github.com/lambdapool/lambdapool/internal/schedule"
)

// A fleet answers for several functions, and counts what each was asked.
type fleet struct {
	mu       sync.Mutex
	invoked  map[string]int
	looked   map[string]int
	answer   map[string]func(http.ResponseWriter) // instead of a reply
	settings map[string]string                    // configurations by function; none: 404
}

func newFleet(settings map[string]string) *fleet {
	return &fleet{invoked: map[string]int{}, looked: map[string]int{}, answer: map[string]func(http.ResponseWriter){}, settings: settings}
}

func refuse(status int, code string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		w.Header().Set("X-Amzn-Errortype", code)
		w.WriteHeader(status)
	}
}

func (f *fleet) serve(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	name, operation, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/2015-03-31/functions/"), "/")
	f.mu.Lock()
	defer f.mu.Unlock()
	if operation == "configuration" {
		f.looked[name]++
		if said, ok := f.settings[name]; ok {
			fmt.Fprint(w, said)
		} else {
			refuse(http.StatusNotFound, "ResourceNotFoundException")(w)
		}
		return
	}
	f.invoked[name]++
	switch answer := f.answer[name]; {
	case answer != nil:
		answer(w)
	case r.Header.Get("X-Amz-Invocation-Type") == "Event":
		w.WriteHeader(http.StatusAccepted)
	default:
		fmt.Fprint(w, `"reply"`)
	}
}

func (f *fleet) count(name string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.invoked[name]
}

func configured(mark, sum string) string {
	return fmt.Sprintf(`{"CodeSha256":%q,"Environment":{"Variables":{"LAMBDAPOOL_SHARD":%q}}}`, sum, mark)
}

var threeShards = map[string]string{
	"algorithms": configured("0/3", "A"), "algorithms-1": configured("1/3", "A"), "algorithms-2": configured("2/3", "A"),
}

// How many shards there are is asked once, unless it is said. Whatever cannot be found out is one.
func TestShardsAreFound(t *testing.T) {
	for _, tt := range []struct {
		name     string
		settings map[string]string
		opts     []awslambda.Option
		want     int
		asked    bool
	}{
		{"three", threeShards, nil, 3, true},
		{"said", nil, []awslambda.Option{awslambda.WithShards(5)}, 5, false},
		{"one is said", threeShards, []awslambda.Option{awslambda.WithShards(1)}, 1, false},
		{"none", map[string]string{"algorithms": `{"CodeSha256":"A"}`}, nil, 1, true},
		{"not there", nil, nil, 1, true},
		{"a shard by its own name", map[string]string{"algorithms": configured("1/3", "A")}, nil, 1, true},
		{"nonsense", map[string]string{"algorithms": configured("many", "A")}, nil, 1, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			fleet := newFleet(tt.settings)
			f := newFake(t, fleet.serve)
			b, err := awslambda.New(t.Context(), "algorithms", append([]awslambda.Option{awslambda.WithConfig(f.config())}, tt.opts...)...)
			if err != nil {
				t.Fatal(err)
			}
			awslambda.Looked(b)
			limits := b.Limits()
			if limits.Burst != tt.want*schedule.LambdaBurst || limits.Ramp != float64(tt.want)*schedule.LambdaRamp {
				t.Errorf("burst %d, ramp %v: want those of %d functions", limits.Burst, limits.Ramp, tt.want)
			}
			if err := b.Close(); err != nil {
				t.Error(err)
			}
			if asked := fleet.looked["algorithms"] > 0; asked != tt.asked && tt.want == 1 {
				t.Errorf("asked %v, want %v", asked, tt.asked)
			}
		})
	}
	for _, n := range []int{0, -1, 21} {
		if _, err := awslambda.New(t.Context(), "algorithms", awslambda.WithShards(n)); err == nil || !strings.Contains(err.Error(), "WithShards") {
			t.Errorf("%d shards: %v", n, err)
		}
	}
	f := newFake(t, newFleet(nil).serve)
	_, err := awslambda.New(t.Context(), strings.Repeat("n", 63), awslambda.WithConfig(f.config()), awslambda.WithShards(2))
	if err == nil || !strings.Contains(err.Error(), "shard 1") {
		t.Errorf("a name that is too long with its number: %v", err)
	}
}

// Invocations at the same time go to all shards; those that follow each other to one that is warm.
func TestShardsShareTheWork(t *testing.T) {
	const n, calls = 3, 9
	fleet := newFleet(threeShards)
	var all sync.WaitGroup
	all.Add(calls)
	f := newFake(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/invocations") {
			all.Done() // nobody is answered before all are there
			all.Wait()
		}
		fleet.serve(w, r)
	})
	b := f.open(t, awslambda.WithShards(n))
	var done sync.WaitGroup
	for range calls {
		done.Go(func() {
			if _, err := b.Invoke(t.Context(), &lambdapool.Request{Payload: []byte(payload)}); err != nil {
				t.Error(err)
			}
		})
	}
	done.Wait()
	for _, name := range []string{"algorithms", "algorithms-1", "algorithms-2"} {
		if got := fleet.count(name); got != calls/n {
			t.Errorf("%s was invoked %d times, want %d", name, got, calls/n)
		}
	}
}

// What a shard says about itself is sent elsewhere, and the error says which shard it was.
func TestShardThatFails(t *testing.T) {
	for _, tt := range []struct {
		name   string
		answer func(http.ResponseWriter)
		kind   error
		hint   string
	}{
		{"missing", refuse(http.StatusNotFound, "ResourceNotFoundException"), lambdapool.ErrFunctionNotFound, "lambdapool doctor algorithms"},
		{"not allowed", refuse(http.StatusForbidden, "AccessDeniedException"), lambdapool.ErrAccessDenied, "lambdapool doctor algorithms"},
		{"being created", refuse(http.StatusConflict, "ResourceConflictException"), lambdapool.ErrAgentCrashed, "lambdapool doctor algorithms"},
		{"throttled", refuse(http.StatusTooManyRequests, "TooManyRequestsException"), lambdapool.ErrThrottled, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			fleet := newFleet(nil)
			fleet.answer["algorithms"] = tt.answer
			b := newFake(t, fleet.serve).open(t, awslambda.WithShards(3))
			resp, err := b.Invoke(t.Context(), &lambdapool.Request{Payload: []byte(payload)})
			e := failure(t, resp, err)
			if !errors.Is(e, tt.kind) || !e.Elsewhere || e.Permanent || e.Outcome != lambdapool.OutcomeNotRun ||
				!strings.Contains(e.Error(), "shard algorithms: ") || !strings.Contains(e.Hint, tt.hint) {
				t.Errorf("%v: elsewhere %v, permanent %v, hint %q", e, e.Elsewhere, e.Permanent, e.Hint)
			}
			for range 5 { // the others go on, and it is left alone
				if _, err := b.Invoke(t.Context(), &lambdapool.Request{Payload: []byte(payload)}); err != nil {
					t.Error(err)
				}
				if _, err := b.InvokeEvent(t.Context(), &lambdapool.Request{Payload: []byte(payload)}); err != nil && tt.kind != lambdapool.ErrThrottled {
					t.Error(err)
				}
			}
			if got := fleet.count("algorithms"); got != 1 && tt.kind != lambdapool.ErrThrottled {
				t.Errorf("it was invoked %d times", got)
			}
		})
	}
}

// When no shard is left the error is that of the function, and permanent.
func TestAllShardsAreMissing(t *testing.T) {
	fleet := newFleet(nil)
	for _, name := range []string{"algorithms", "algorithms-1"} {
		fleet.answer[name] = refuse(http.StatusNotFound, "ResourceNotFoundException")
	}
	b := newFake(t, fleet.serve).open(t, awslambda.WithShards(2))
	for _, last := range []bool{false, true} {
		resp, err := b.Invoke(t.Context(), &lambdapool.Request{Payload: []byte(payload)})
		if e := failure(t, resp, err); e.Permanent != last || e.Elsewhere == last {
			t.Errorf("permanent %v, elsewhere %v", e.Permanent, e.Elsewhere)
		}
	}
}

// A whole call: an executor loses nothing to a shard that is missing.
func TestCallsGoPastAMissingShard(t *testing.T) {
	fleet := newFleet(nil)
	fleet.answer["algorithms"] = refuse(http.StatusNotFound, "ResourceNotFoundException")
	fleet.answer["algorithms-1"] = func(w http.ResponseWriter) { fmt.Fprint(w, `{}`) } // no agent: but it has run
	b := newFake(t, fleet.serve).open(t, awslambda.WithShards(2))
	r := lambdapool.NewRegistry()
	lambdapool.RegisterFuncIn(r, "id", func(n int) int { return n })
	e, err := lambdapool.New(b, lambdapool.WithRegistry(r), lambdapool.WithTimeout(30*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	_, err = e.Submit(t.Context(), "id", 1).Result(t.Context())
	if errors.Is(err, lambdapool.ErrFunctionNotFound) || fleet.count("algorithms-1") == 0 {
		t.Errorf("%v: the other shard was invoked %d times", err, fleet.count("algorithms-1"))
	}
}

// Events go round.
func TestEventsGoToAllShards(t *testing.T) {
	fleet := newFleet(nil)
	b := newFake(t, fleet.serve).open(t, awslambda.WithShards(3))
	for range 6 {
		if _, err := b.InvokeEvent(t.Context(), &lambdapool.Request{Payload: []byte(payload)}); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"algorithms", "algorithms-1", "algorithms-2"} {
		if got := fleet.count(name); got != 2 {
			t.Errorf("%s has %d events, want 2", name, got)
		}
	}
}

// An update that stopped half-way is noticed by clients, and the warning says what helps.
func TestUnevenShardsAreSeen(t *testing.T) {
	for _, tt := range []struct {
		name     string
		settings map[string]string
		want     []string
	}{
		{"even", threeShards, nil},
		{"other code", map[string]string{"algorithms": configured("0/3", "A"), "algorithms-1": configured("1/3", "A"), "algorithms-2": configured("2/3", "B")},
			[]string{"different code", "shard=algorithms-2", "lambdapool update algorithms PACKAGE"}},
		{"missing", map[string]string{"algorithms": configured("0/3", "A"), "algorithms-2": configured("2/3", "A")},
			[]string{"is missing", "shard=algorithms-1", "lambdapool update algorithms PACKAGE"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			fleet := newFleet(tt.settings)
			var out lockedBuffer
			b := newFake(t, fleet.serve).open(t, awslambda.WithShards(3), awslambda.WithClientLog(logTo(&out)))
			awslambda.Looked(b)
			if len(tt.want) == 0 && out.String() != "" {
				t.Errorf("logged: %s", out.String())
			}
			for _, want := range tt.want {
				if !strings.Contains(out.String(), want) {
					t.Errorf("logged: %s\nwithout %q", out.String(), want)
				}
			}
		})
	}
}

func logTo(out io.Writer) *slog.Logger { return slog.New(slog.NewTextHandler(out, nil)) }

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
