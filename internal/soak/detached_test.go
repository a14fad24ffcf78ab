package soak_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lambdapool/lambdapool"
)

// long is from how many items on the tests take minutes: they kill what they find.
const long = 2000

// stale is after how much silence a sender is taken for dead.
const stale = 10 * time.Second

// A scene says what happens to whom during a detached run.
type scene struct {
	name   string
	often  bool // the function may run twice
	client int  // how often each client is killed
	store  int  // how often the store is killed
	agents time.Duration
	full   int           // how often the store has no room
	behind time.Duration // how far the store's clock is behind
	google bool          // on Google's stand-ins, instead of the embedded Lambda
}

func scenes(n int) []scene {
	if n < long {
		return []scene{
			{name: "often", often: true, client: 2, store: 2, agents: 3 * time.Second},
			{name: "once", client: 2, store: 2, behind: 7 * time.Hour},
			{name: "google, often", often: true, client: 2, store: 2, agents: 3 * time.Second, google: true},
			{name: "google, once", client: 2, store: 2, behind: 7 * time.Hour, google: true},
		}
	}
	all := []scene{
		{name: "nothing"},
		{name: "clients", client: 6},
		{name: "store", store: 12},
		{name: "agents", agents: 1500 * time.Millisecond},
		{name: "all", client: 5, store: 8, agents: 3 * time.Second},
		{name: "full", full: 4, client: 2},
		{name: "slow clock", behind: 7 * time.Hour, client: 3, store: 3},
		{name: "fast clock", behind: -7 * time.Hour, client: 3, store: 3},
	}
	for _, s := range slices.Clip(all) {
		s.often, s.name = true, s.name+", often"
		all = append(all, s)
	}
	for _, s := range slices.Clip(all) {
		s.google, s.name = true, "google, "+s.name
		all = append(all, s)
	}
	return all
}

// Whatever is killed, a detached run ends as one that nobody disturbs, as far as the platform
// delivers; no call runs that is recorded, and none twice that must not.
func TestDetached(t *testing.T) {
	t.Parallel()
	for _, s := range scenes(*items) {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			s.play(t, *items, *seed)
		})
	}
}

// A performance is a scene as it is played.
type performance struct {
	scene
	*stage

	n      int
	base   part // what all clients have in common
	cloud  *process
	ledger string
	bucket string
}

func (s scene) play(t *testing.T, n int, seed uint64) {
	t.Helper()
	t.Logf("%d items, seed %d", n, seed)
	random := rand.New(rand.NewPCG(seed, uint64(len(s.name))))
	p := &performance{scene: s, stage: newStage(t, n), n: n, bucket: t.TempDir()}
	p.ledger = filepath.Join(p.logs, "ledger")
	if err := os.WriteFile(p.ledger, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	store := part{Play: "store", Address: "127.0.0.1:0", Dir: p.bucket, Behind: s.behind}
	play := part{
		Play: "lambda", Address: "127.0.0.1:0", Ledger: p.ledger, Mortal: s.agents,
		Retries: []time.Duration{time.Second, 3 * time.Second},
	}
	if s.google {
		store.Play, play.Play = "google store", "google"
	}
	p.cloud = p.start(play)
	address, err := p.cloud.hears()
	if err != nil {
		t.Fatal(err)
	}
	store.Cloud = address // whose accounts it knows
	started := p.start(store)
	if store.Address, err = started.hears(); err != nil {
		t.Fatal(err)
	}
	fn := detachedOnce.Name()
	if s.often {
		fn = detachedOften.Name()
	}
	chunk := []int{1, 7, 3}[random.IntN(3)]
	if strings.Contains(s.name, "clients") {
		chunk = 1 // it takes longest to send
	}
	p.base = part{
		Cloud: address, Google: s.google, Store: store.Address, Run: "soak", Func: fn, Seed: seed, Items: n,
		Chunk: chunk, Stored: 1000,
	}
	began := time.Now()
	over := make(chan struct{})
	var others sync.WaitGroup
	others.Go(func() { p.shake(store, started, rand.New(rand.NewPCG(seed, 2)), over) })
	reports := p.clients(rand.New(rand.NewPCG(seed, 3)))
	close(over)
	others.Wait()
	if err := p.cloud.leave(); err != nil {
		t.Errorf("the cloud: %v", err)
	}
	t.Logf("chunks of %d, %v", p.base.Chunk, time.Since(began).Round(time.Millisecond))
	if !t.Failed() {
		p.judge(reports)
	}
}

// clients has three processes, one that sends and two that attach, and returns what each
// says of the run. Only the first one that attaches is left alone.
func (p *performance) clients(random *rand.Rand) []report {
	p.t.Helper()
	names := []string{"sender", "witness", "follower"}
	reports := make([]report, len(names))
	var all sync.WaitGroup
	for i, name := range names {
		who := p.base
		who.Play, who.Out = "attach", filepath.Join(p.logs, name)
		from, left := "", p.client
		switch name {
		case "sender":
			who.Play = "send"
			if p.n < long {
				from = "sent" // a sender that is killed before is taken for dead after a while
			}
		case "witness":
			left = 0
		}
		mine := rand.New(rand.NewPCG(random.Uint64(), 4))
		all.Go(func() {
			kills, silent, err := p.until(who, func() (string, time.Duration) {
				if left--; left < 0 {
					return "", -1
				}
				d := time.Duration(mine.IntN(int(3 * time.Second)))
				switch {
				case p.n < long:
					d /= 6
				case name == "sender" && left < p.client-1:
					d += stale
				}
				return from, d
			})
			p.t.Logf("%s: killed %d times, %d before it had found or sent the run: %v", name, kills, silent, err)
			body, readErr := os.ReadFile(who.Out)
			if readErr == nil {
				readErr = json.Unmarshal(body, &reports[i])
			}
			if err := errors.Join(err, readErr); err != nil {
				p.t.Errorf("%s: %v", name, err)
			}
		})
	}
	all.Wait()
	return reports
}

// shake kills the store and starts it again, and takes its room, until over.
func (p *performance) shake(store part, proc *process, random *rand.Rand, over <-chan struct{}) {
	wait := func(least, most time.Duration) {
		select {
		case <-time.After(least + time.Duration(random.Int64N(int64(most-least)))):
		case <-over:
		}
	}
	short := p.n < long
	for range p.store {
		if short {
			wait(200*time.Millisecond, time.Second)
		} else {
			wait(time.Second, 5*time.Second)
		}
		proc.kill()
		switch {
		case short, random.IntN(3) > 0:
			wait(0, 400*time.Millisecond)
		default:
			wait(400*time.Millisecond, 5*time.Second)
		}
		proc = p.start(store)
		if _, err := proc.hears(); err != nil {
			p.t.Errorf("the store: %v", err)
			return
		}
	}
	for range p.full {
		wait(time.Second, 5*time.Second)
		fmt.Fprintln(proc.stdin, "no room")
		wait(time.Second, 8*time.Second)
		fmt.Fprintln(proc.stdin, "room")
	}
	<-over
	if err := proc.leave(); err != nil {
		p.t.Errorf("the store: %v", err)
	}
}

// judge holds what the clients say against what the functions and the platform have noted.
func (p *performance) judge(reports []report) {
	t := p.t
	t.Helper()
	wrong := 0
	problem := func(id int, format string, args ...any) {
		if wrong++; wrong <= 20 {
			t.Errorf("item %d: "+format, append([]any{id}, args...)...)
		}
	}
	executions := executionsOf(t, p.ledger, p.n)
	said := reports[0].Endings
	kinds, times := map[string]int{}, map[int]int{}
	failedChunks := map[int]bool{}
	for id, e := range said {
		for _, r := range reports[1:] {
			if r.Endings[id] != e {
				problem(id, "one client is told %v, another one %v", e, r.Endings[id])
			}
		}
		kinds[e.Kind]++
		times[len(executions[id])]++
		if p.platform(e) {
			failedChunks[id/p.base.Chunk] = true
		}
		recorded := reports[0].State.Chunks[id/p.base.Chunk].Ended.Add(p.behind)
		if text := p.judgeItem(e, undisturbed(id), executions[id], recorded); text != "" {
			problem(id, "%s: %v, want %v; executions %v", text, e, undisturbed(id), executions[id])
		}
	}
	dropped := p.dropped()
	if p.often && len(failedChunks) > dropped {
		t.Errorf("%d invocations have no end, although the platform has given up only %d", len(failedChunks), dropped)
	}
	p.judgeStates(reports, executions, kinds)
	t.Logf("ended: %v; executions per item: %v; the platform gave up %d invocations", kinds, times, dropped)
	if wrong > 20 {
		t.Errorf("and %d more", wrong-20)
	}
}

// dropped is how many invocations the platform has given up. Cloud Tasks gives up none so soon.
func (p *performance) dropped() int {
	if p.google {
		return 0
	}
	log, err := filepath.Glob(filepath.Join(p.logs, "lambda-*.log"))
	if err != nil || len(log) != 1 {
		p.t.Fatalf("%v, %v", log, err)
	}
	noted, err := os.ReadFile(log[0])
	if err != nil {
		p.t.Fatal(err)
	}
	return bytes.Count(noted, []byte(`why="out of retries"`))
}

// platform reports whether an item has ended so because the platform has not delivered it, or an
// agent has died.
func (p *performance) platform(e ending) bool {
	return e.Kind == lambdapool.ErrUnknownOutcome.Error() || e.Kind == lambdapool.ErrExpired.Error() || e.Kind == lambdapool.ErrStore.Error()
}

func (p *performance) judgeItem(e ending, want ending, ran []execution, recorded time.Time) string {
	ended := slices.ContainsFunc(ran, func(x execution) bool { return !x.ended.IsZero() })
	switch {
	case !p.often && len(ran) > 1:
		return "it ran more than once"
	case e == want:
		if !ended {
			return "it has an end, but did not run"
		}
	case p.store+p.full == 0 && p.agents == 0:
		return "it ended otherwise, although nothing was killed but clients"
	case e.Kind == lambdapool.ErrUnknownOutcome.Error():
	case e.Kind == lambdapool.ErrExpired.Error(), e.Kind == lambdapool.ErrStore.Error() && p.store+p.full > 0:
		if len(ran) > 0 {
			return "it ran, but the error says that it did not"
		}
	default:
		return "it ended otherwise"
	}
	const onTheWay = functionTimeout // from when an agent has looked to when it begins: later, it is killed
	for _, x := range ran {
		if x.begun.After(recorded.Add(onTheWay)) {
			return fmt.Sprintf("it was begun after %v, when its result was recorded", recorded)
		}
	}
	return ""
}

// judgeStates compares the counts with what they count.
func (p *performance) judgeStates(reports []report, executions [][]execution, kinds map[string]int) {
	t := p.t
	t.Helper()
	for i, r := range reports {
		s := r.State
		values := kinds["value"]
		// A mark that an agent had no time to leave makes a count less exact.
		if sum := s.Succeeded + s.Failed + s.Expired + s.Canceled + s.Queued + s.Running; sum != p.n || s.Queued+s.Running > 0 || s.Succeeded < values {
			t.Errorf("report %d: state %+v, of %v", i, counted(s), kinds)
		}
		// Google's queue delivers some twice, whatever happens.
		if p.client+p.store+p.full == 0 && p.agents == 0 && (s.Succeeded != values || s.Duplicates != 0 && !p.google || s.Sent != p.n) {
			t.Errorf("report %d: state %+v, of %v, undisturbed", i, counted(s), kinds)
		}
		for n, c := range s.Chunks {
			least := 0
			for id := c.First; id < c.First+c.Calls; id++ {
				least = max(least, len(executions[id]))
			}
			if least > 0 && c.Deliveries == 0 || p.store+p.full == 0 && c.Deliveries < least {
				t.Errorf("report %d: chunk %d has %d deliveries, and items that ran %d times", i, n, c.Deliveries, least)
			}
		}
	}
	t.Logf("state: %+v", counted(reports[0].State))
	if !maps.Equal(counts(reports[0].State), counts(reports[1].State)) {
		t.Logf("state, to another client: %+v", counted(reports[1].State))
	}
}

// counted is a state without what it says of each chunk.
func counted(s lambdapool.RunState) lambdapool.RunState {
	s.Chunks = nil
	return s
}

func counts(s lambdapool.RunState) map[string]int {
	return map[string]int{"failed": s.Failed, "expired": s.Expired, "deliveries": s.Deliveries, "duplicates": s.Duplicates}
}
