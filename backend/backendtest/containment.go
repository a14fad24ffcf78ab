package backendtest

import (
	"bytes"
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/codec"
	"github.com/lambdapool/lambdapool/internal/detached"
)

// overhearing keeps the requests that agents get: all that somebody knows who controls an agent.
type overhearing struct {
	lambdapool.Backend

	mu   sync.Mutex
	seen []*codec.Request
}

func (b *overhearing) note(r *lambdapool.Request) {
	req, err := codec.DecodeRequest(r.Payload)
	if err != nil {
		return // what is wrong with it will be said by others
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.seen = append(b.seen, req)
}

func (b *overhearing) Invoke(ctx context.Context, r *lambdapool.Request) (*lambdapool.Response, error) {
	b.note(r)
	return b.Backend.Invoke(ctx, r)
}

func (b *overhearing) InvokeEvent(ctx context.Context, r *lambdapool.Request) (string, error) {
	b.note(r)
	return b.Backend.(lambdapool.Detacher).InvokeEvent(ctx, r)
}

func (b *overhearing) EventLimits() lambdapool.EventLimits {
	return b.Backend.(lambdapool.Detacher).EventLimits()
}

func (b *overhearing) Store() lambdapool.Store { return b.Backend.(lambdapool.Storer).Store() }
func (b *overhearing) StoreOption() string     { return b.Backend.(lambdapool.Storer).StoreOption() }

// requests returns what was overheard.
func (b *overhearing) requests() []*codec.Request {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.seen)
}

// attacker uses what agents were given. A store that is a transport itself is one that agents of
// this process go by; every other is spoken to over HTTP.
func attacker(t *testing.T, s lambdapool.Store) *storeSuite {
	t.Helper()
	if transport, ok := s.(http.RoundTripper); ok {
		return &storeSuite{Store: s, transport: transport}
	}
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &storeSuite{Store: s, transport: transport}
}

// testContainment demands that whoever controls the agent of one chunk can change nothing of other
// chunks and other runs, and nothing of what this chunk has recorded. It takes the links and the
// form of a chunk that has ended, and tries with them every method, with and without the condition
// that the object be new, and every key that could matter.
//
// The links must be for creation only, with a signed condition, and the form must reach no further
// than the marks of its chunk. Otherwise one bad agent could forge the results of all: a client
// would read them as the values of functions that never returned them. What the form does allow
// must not be believed: a mark that says "canceled" is not a client's word.
func (d *detachedSuite) testContainment(t *testing.T) {
	b := &overhearing{Backend: d.backend}
	e := executor(t, b)
	other := start(t, e, echoInt, []int{7})
	run := start(t, e, echoInt, []int{1, 2, 3, 4}, lambdapool.ChunkSize(1))
	for _, r := range []*lambdapool.Run[int]{other, run} {
		if _, err := r.Wait(short(t)); err != nil {
			t.Fatal(err)
		}
	}
	s := attacker(t, b.Store())
	// Both runs have ended. From here on nothing in the store may change but marks of chunk 3.
	before := d.recorded(t)
	var evil *codec.Detached // chunk 3's
	for _, r := range b.requests() {
		if r.Detached != nil && r.Detached.Run == run.ID() && r.Chunk == 3 {
			evil = r.Detached
		}
	}
	if evil == nil {
		t.Fatal("nobody was sent chunk 3")
	}
	// Every method, as it was signed and without the condition that there be no object yet.
	const forged = "FORGED"
	for _, link := range []lambdapool.Link{evil.Claim, evil.Holder, evil.Result, evil.Done} {
		for _, method := range []string{http.MethodPut, http.MethodPost, http.MethodDelete, http.MethodPatch} {
			if status, body := s.use(t, method, link, []byte(forged)); status/100 == 2 {
				t.Errorf("%s %s: HTTP %d %s", method, link, status, body)
			}
			bare := func(r *http.Request) { r.Header.Del("If-None-Match") }
			if status, body := s.use(t, method, link, []byte(forged), bare); status/100 == 2 {
				t.Errorf("%s %s without its condition: HTTP %d %s", method, link, status, body)
			}
		}
	}
	if form := evil.Marks; form.URL != "" {
		// A store may put a prefix of its own before keys: what a form allows begins with it.
		above := strings.TrimSuffix(form.Under, detached.MarksPrefix(run.ID(), 2))
		if above == form.Under {
			t.Fatalf("a form for %s, not %s", form.Under, detached.MarksPrefix(run.ID(), 2))
		}
		for _, key := range d.targets(run.ID(), other.ID()) {
			if status, body := s.post(t, form, above+key, []byte(forged)); status/100 == 2 {
				t.Errorf("%s by the form of chunk 3: HTTP %d %s", key, status, body)
			}
		}
		// What the form does allow says nothing of others, and changes no result.
		for _, name := range []string{"started.x", "canceled.1", "expired.1", "failed.1-x", "result", "claim", "../result", "../../00000000/result"} {
			// Folders in a key are characters to S3; a store of files may refuse them.
			if status, body := s.post(t, form, form.Under+name, []byte(forged)); status/100 != 2 && !strings.Contains(name, "..") {
				t.Errorf("a mark %s: HTTP %d %s", name, status, body)
			}
		}
	}
	after := d.recorded(t)
	for key, what := range before {
		if after[key] != what {
			t.Errorf("%s was changed", key)
		}
	}
	for key := range after {
		if _, there := before[key]; !there && !strings.HasPrefix(key, detached.MarksPrefix(run.ID(), 2)) {
			t.Errorf("%s has appeared", key)
		}
	}
	// The proof that counts: a client that comes now reads what the functions returned.
	again, err := lambdapool.Attach(short(t), executor(t, d.backend), echoInt, run.ID())
	if err != nil {
		t.Fatal(err)
	}
	if got, err := again.Wait(short(t)); err != nil || !slices.Equal(got, []int{1, 2, 3, 4}) {
		t.Errorf("%v, %v", got, err)
	}
	state, err := again.State(short(t))
	if err != nil || state.Canceled != 0 || state.Chunks[0].Deliveries != 1 || state.Chunks[1].State != "ended" || state.Chunks[2].State != "ended" {
		t.Errorf("%+v, %v", state, err)
	}
}

// targets are keys that the agent of chunk 3 has no business with: the manifests, what was sent,
// every object of every other chunk, the records of its own, and another run's.
func (d *detachedSuite) targets(run, other string) []string {
	keys := []string{detached.IndexKey(run), detached.IndexKey(other), detached.SentKey(run), detached.SentKey(other), detached.RunPrefix(run) + "x", "x"}
	for _, chunk := range []int{0, 1, 2, 3} {
		for _, name := range []string{detached.Claim, detached.Result, detached.Args, "failed.1-x", "canceled.1", "claim.1", "asked.1", "rest.2"} {
			keys = append(keys, detached.ChunkKey(run, chunk, name), detached.ChunkKey(other, chunk, name))
		}
		keys = append(keys, detached.MarksPrefix(other, chunk)+"started.x", strings.TrimSuffix(detached.MarksPrefix(run, chunk), "/"))
		if chunk != 2 {
			keys = append(keys, detached.MarksPrefix(run, chunk)+"started.x")
		}
	}
	return keys
}

// recorded is all that is in the store of runs, by key.
func (d *detachedSuite) recorded(t *testing.T) map[string]string {
	t.Helper()
	s := &storeSuite{Store: d.backend.(lambdapool.Storer).Store()}
	all := map[string]string{}
	for _, prefix := range []string{"runs/", "index/"} {
		list, err := s.List(short(t), prefix, "")
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range list.Objects {
			all[o.Key] = string(s.read(t, o.Key))
		}
	}
	return all
}

// testReplyForms demands the same of single calls. The agent has a form for its large reply, and
// one form is good for the replies of many calls. So it must not reach the arguments of any call,
// nor a detached run, and the name of a reply must differ each time and be too long to guess: 26
// characters at least. Otherwise one agent could spoil the arguments and the answers of others,
// whose calls would fail.
//
// A store without forms passes: each reply has a link of its own then.
func testReplyForms(t *testing.T, backend lambdapool.Backend) {
	storer, ok := backend.(lambdapool.Storer)
	if !ok || storer.Store() == nil {
		return
	}
	b := &overhearing{Backend: backend}
	e := executor(t, b, lambdapool.WithCompression(false))
	large := bytes.Repeat([]byte{1, 2, 3, 4, 5, 6, 7}, tooLarge(backend)/7)
	for range 2 {
		if got, err := lambdapool.Call(short(t), e, echoBytes, large); err != nil || !bytes.Equal(got, large) {
			t.Fatalf("%d bytes, %v", len(got), err)
		}
	}
	var spills []*codec.Spill
	for _, r := range b.requests() {
		if r.Spill != nil && r.Stored != nil {
			spills = append(spills, r.Spill)
		}
	}
	if len(spills) < 2 {
		t.Fatalf("%d requests say where a large reply goes", len(spills))
	}
	form := spills[0].To
	if form.Under == "" {
		return // each has a link of its own
	}
	// A name is the only thing that keeps another's reply from being overwritten.
	if spills[0].Name == spills[1].Name || len(spills[0].Name) < 26 {
		t.Errorf("names to guess: %q, %q", spills[0].Name, spills[1].Name)
	}
	folder, ok := strings.CutSuffix(form.Under, "/replies/")
	if !ok {
		t.Fatalf("a form for %s", form.Under)
	}
	s := attacker(t, b.Store())
	for _, key := range []string{folder + "/arguments/x", folder + "/x", folder + "/replies", strings.Replace(form.Under, "calls/", "runs/", 1) + "x"} {
		if status, body := s.post(t, form, key, []byte("FORGED")); status/100 == 2 {
			t.Errorf("%s: HTTP %d %s", key, status, body)
		}
	}
}
