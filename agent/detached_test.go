package agent_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/agent"
	"github.com/lambdapool/lambdapool/codec"
)

// A ledger is an object store as detached requests use it: creation once, forms, and
// answers that get lost.
type ledger struct {
	t       *testing.T
	objects map[string]string
	before  func(r *http.Request, key string) (*http.Response, error) // instead of an answer
	lose    func(r *http.Request, key string) bool                    // the answer, once all is done
}

func newLedger(t *testing.T) *ledger { return &ledger{t: t, objects: map[string]string{}} }

func (l *ledger) RoundTrip(r *http.Request) (*http.Response, error) {
	key := strings.TrimPrefix(r.URL.Path, "/")
	var body []byte
	switch r.Method {
	case http.MethodPost:
		if err := r.ParseMultipartForm(1 << 20); err != nil {
			l.t.Fatal(err)
		}
		key = r.FormValue("key")
	case http.MethodPut:
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
	}
	if l.before != nil {
		if resp, err := l.before(r, key); resp != nil || err != nil {
			return resp, err
		}
	}
	resp := l.answer(r, key, string(body))
	if l.lose != nil && l.lose(r, key) {
		return nil, errors.New("connection reset")
	}
	return resp, nil
}

func (l *ledger) answer(r *http.Request, key, body string) *http.Response {
	data, there := l.objects[key]
	switch {
	case r.Method == http.MethodGet && !there:
		return status(404, "<Code>NoSuchKey</Code>")
	case r.Method == http.MethodGet:
		return status(200, data)
	case there && r.Header.Get("If-None-Match") == "*":
		return status(412, "<Code>PreconditionFailed</Code>")
	}
	l.objects[key] = body
	return status(200, "")
}

// keys lists what is there, each mark without its word.
func (l *ledger) keys() string {
	var keys []string
	for _, key := range slices.Sorted(maps.Keys(l.objects)) {
		key = strings.TrimPrefix(strings.TrimPrefix(key, "runs/r/00000002/"), "marks/")
		if name, word, ok := strings.Cut(key, "."); ok {
			key = name
			if n, rest, ok := strings.Cut(word, "-"); ok && name == "failed" {
				key, word = name+"."+n, rest
			}
			if word == "" {
				l.t.Errorf("%s has no word", key)
			}
		}
		keys = append(keys, key)
	}
	return strings.Join(keys, " ")
}

// detached makes a request detached.
func detached(req *codec.Request, once bool) *codec.Request {
	create := map[string]string{"If-None-Match": "*"}
	at := func(name string, header map[string]string) codec.Link {
		return codec.Link{URL: "https://bucket.example.org/runs/r/00000002/" + name + "?" + secret, Header: header}
	}
	req.Chunk = 3
	req.Detached = &codec.Detached{
		Run: "r", Items: len(req.Items), Once: once,
		Claim: at("claim", create), Holder: at("claim", nil), Result: at("result", create), Done: at("result", nil),
		Marks: codec.Link{URL: "https://bucket.example.org/", Under: "runs/r/00000002/marks/", Form: map[string]string{"policy": "x"}},
	}
	return req
}

const (
	others   = `{"instance":"another","delivery":7}`
	recorded = "a result"
)

func TestDetachedDeliveries(t *testing.T) {
	lostOnce := func(what string) func() func(r *http.Request, key string) bool {
		return func() func(r *http.Request, key string) bool {
			done := false
			return func(r *http.Request, key string) bool {
				first := !done && r.Method == http.MethodPut && strings.HasSuffix(key, what)
				done = done || first
				return first
			}
		}
	}
	for name, tt := range map[string]struct {
		once   bool
		claim  string                                        // there before
		result string                                        // there before
		lose   func() func(r *http.Request, key string) bool // answers
		runs   int
		leaves string
	}{
		"first":                      {runs: 1, leaves: "claim result"},
		"first, once":                {once: true, runs: 1, leaves: "claim result"},
		"second, once":               {once: true, claim: others, leaves: "claim duplicate"},
		"second, nothing recorded":   {claim: others, runs: 1, leaves: "claim started result"},
		"second, recorded":           {claim: others, result: recorded, leaves: "claim duplicate result"},
		"recorded meanwhile":         {result: recorded, runs: 1, leaves: "claim duplicate result"},
		"claim's answer lost":        {lose: lostOnce("claim"), runs: 1, leaves: "claim result"},
		"claim's answer lost, once":  {once: true, lose: lostOnce("claim"), runs: 1, leaves: "claim result"},
		"second, answer lost, once":  {once: true, claim: others, lose: lostOnce("claim"), leaves: "claim duplicate"},
		"result's answer lost":       {lose: lostOnce("result"), runs: 1, leaves: "claim result"},
		"result's answer lost, once": {once: true, lose: lostOnce("result"), runs: 1, leaves: "claim result"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				runs := 0
				r, l := counting(&runs), newLedger(t)
				if tt.claim != "" {
					l.objects["runs/r/00000002/claim"] = tt.claim
				}
				if tt.result != "" {
					l.objects["runs/r/00000002/result"] = tt.result
				}
				if tt.lose != nil {
					l.lose = tt.lose()
				}
				h := agent.NewHandler(r)
				h.Transport = l
				if reply := invoke(t, h, detached(request(t, r, "length", []byte("abc")), tt.once)); reply.ID != "call-1" || len(reply.Items) > 0 {
					t.Errorf("reply %+v", reply)
				}
				if runs != tt.runs || l.keys() != tt.leaves {
					t.Errorf("%d runs, want %d; %s, want %s", runs, tt.runs, l.keys(), tt.leaves)
				}
				if stored := l.objects["runs/r/00000002/result"]; stored != tt.result {
					if got := result[int](t, only(t, decodeReply(t, []byte(stored)))); got != 3 {
						t.Errorf("recorded %d", got)
					}
				}
				var claim codec.Claim
				if err := json.Unmarshal([]byte(l.objects["runs/r/00000002/claim"]), &claim); err != nil || claim.Instance == "" ||
					tt.claim == "" && (claim.Delivery != 1 || claim.At.IsZero()) {
					t.Errorf("claim %+v, %v", claim, err)
				}
			})
		})
	}
}

// What a delivery cannot do, another one may: the error has the platform try again. It says
// what was being done and nothing that is secret.
func TestDetachedDeliveriesThatFail(t *testing.T) {
	refuse := func(what string, resp func() *http.Response) func(r *http.Request, key string) (*http.Response, error) {
		return func(_ *http.Request, key string) (*http.Response, error) {
			if !strings.Contains(key, what) {
				return nil, nil // as a store does
			}
			if resp == nil {
				return nil, errors.New("connection refused")
			}
			return resp(), nil
		}
	}
	expired := func() *http.Response { return status(403, "<Code>AccessDenied</Code>") }
	for name, tt := range map[string]struct {
		once   bool
		before func(r *http.Request, key string) (*http.Response, error)
		runs   int
		leaves string
		says   string // the error; "": none
	}{
		"claim's link has expired":  {before: refuse("claim", expired), says: "claim: PUT https://bucket.example.org/runs/r/00000002/claim?…: HTTP 403 AccessDenied"},
		"store is down":             {before: refuse("claim", nil), says: "connection refused (tried "},
		"result cannot be stored":   {before: refuse("result", expired), runs: 1, leaves: "claim failed.1", says: "record the result of"},
		"arguments cannot be had":   {before: refuse("args", nil), leaves: "args", says: "cannot be fetched"},
		"arguments, must run once":  {once: true, before: refuse("args", nil), leaves: "args", says: "cannot be fetched"},
		"arguments are gone":        {before: refuse("args", expired), leaves: "args claim failed.1 result"},
		"marks are not to be had":   {before: refuse("failed.1-", expired), leaves: "claim result", runs: 1},
		"nothing is wrong but this": {leaves: "claim failed.1 result", runs: 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				runs := 0
				r, l := lambdapool.NewRegistry(), newLedger(t)
				lambdapool.RegisterIn(r, "fail", func(context.Context, []byte) (int, error) {
					runs++
					return 0, errors.New("no")
				})
				l.before = tt.before
				h := agent.NewHandler(r)
				h.Transport = l
				req := request(t, r, "fail", []byte("abc"))
				if strings.Contains(tt.leaves, "args") {
					frame, err := codec.FrameRequest(req)
					if err != nil {
						t.Fatal(err)
					}
					l.objects["runs/r/00000002/args"] = string(frame.Bytes())
					req = detached(req, tt.once)
					req.Items, req.Stored = nil, frame.Stored(codec.Link{URL: "https://bucket.example.org/runs/r/00000002/args?" + secret})
				} else {
					req = detached(req, tt.once)
				}
				_, err := h.Invoke(t.Context(), encode(t, req))
				if (err != nil) != (tt.says != "") || err != nil && (!strings.Contains(err.Error(), tt.says) ||
					!strings.Contains(err.Error(), "chunk 3 of run r") || strings.Contains(err.Error(), secret)) {
					t.Errorf("%v, want %s", err, tt.says)
				}
				if runs != tt.runs || l.keys() != tt.leaves {
					t.Errorf("%d runs, want %d; %s, want %s", runs, tt.runs, l.keys(), tt.leaves)
				}
			})
		})
	}
}

// A store that is down costs a delivery that has begun nothing but time.
func TestStoreThatIsDownWhileItRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		runs := 0
		r, l := counting(&runs), newLedger(t)
		up := time.Now().Add(5 * time.Minute)
		l.before = func(*http.Request, string) (resp *http.Response, err error) {
			if runs > 0 && time.Now().Before(up) {
				err = errors.New("connection refused")
			}
			return resp, err
		}
		h := agent.NewHandler(r)
		h.Transport = l
		ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
		defer cancel()
		if _, err := h.Invoke(ctx, encode(t, detached(request(t, r, "length", []byte("abc")), true))); err != nil {
			t.Error(err)
		}
		if runs != 1 || l.keys() != "claim result" {
			t.Errorf("%d runs; %s", runs, l.keys())
		}
		// With less time than that it says so before it is killed.
		up = time.Now().Add(5 * time.Minute)
		clear(l.objects)
		short, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := h.Invoke(short, encode(t, detached(request(t, r, "length", []byte("abc")), true)))
		if err == nil || short.Err() != nil || !strings.Contains(err.Error(), "connection refused") {
			t.Errorf("%v, %v", err, short.Err())
		}
	})
}

// An agent whose time is up records that itself, before it is killed.
func TestDetachedTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, l := napping(), newLedger(t)
		h := agent.NewHandler(r)
		h.Transport = l
		kill := 840 * time.Second
		ctx, cancel := context.WithTimeout(t.Context(), kill)
		defer cancel()
		req := detached(request(t, r, "ignore", time.Second, time.Hour, time.Second), true)
		req.Parallel = 1
		if _, err := h.Invoke(ctx, encode(t, req)); err != nil {
			t.Fatal(err)
		}
		if ctx.Err() != nil {
			t.Error("it was killed")
		}
		reply := decodeReply(t, []byte(l.objects["runs/r/00000002/result"]))
		if got := result[time.Duration](t, reply.Items[0]); got != time.Second {
			t.Errorf("item 1: %v", got)
		}
		timedOut(t, reply.Items[1], "timed out after 836 s, item 2 of chunk 3: the function ignores its context")
		wantNotBegun(t, reply.Items, 2)
		if l.keys() != "claim failed.2 result" {
			t.Errorf("left %s", l.keys())
		}
		h.Wait(t.Context())
	})
}
