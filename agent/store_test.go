package agent_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/agent"
	"github.com/lambdapool/lambdapool/codec"
)

const secret = "X-Amz-Signature=c2VjcmV0"

// A bucket is an object store that answers as it is told to.
type bucket struct {
	objects  map[string][]byte
	requests []*http.Request
	answer   func(try int, r *http.Request) (*http.Response, error) // nil, nil: as a store does
}

func newBucket() *bucket { return &bucket{objects: map[string][]byte{}} }

func (b *bucket) link(key string) codec.Link {
	return codec.Link{URL: "https://bucket.example.org/" + key + "?" + secret, Header: map[string]string{"x-signed": "too"}}
}

func status(code int, body string) *http.Response {
	return &http.Response{StatusCode: code, ContentLength: int64(len(body)), Body: io.NopCloser(strings.NewReader(body))}
}

func (b *bucket) RoundTrip(r *http.Request) (*http.Response, error) {
	b.requests = append(b.requests, r)
	if r.URL.RawQuery != secret || r.Header.Get("X-Signed") != "too" {
		return status(403, "<Error><Code>SignatureDoesNotMatch</Code><StringToSign>"+secret+"</StringToSign></Error>"), nil
	}
	if b.answer != nil {
		if resp, err := b.answer(len(b.requests), r); resp != nil || err != nil {
			return resp, err
		}
	}
	key := strings.TrimPrefix(r.URL.Path, "/")
	if r.Method == http.MethodPut {
		data, err := io.ReadAll(r.Body)
		if err != nil || r.ContentLength != int64(len(data)) {
			return nil, fmt.Errorf("%d bytes of %d: %w", len(data), r.ContentLength, err)
		}
		b.objects[key] = data
		return status(200, ""), nil
	}
	data, ok := b.objects[key]
	if !ok {
		return status(404, "<Error><Code>NoSuchKey</Code></Error>"), nil
	}
	return status(200, string(data)), nil
}

// store moves a request's items into the bucket.
func (b *bucket) store(t *testing.T, req *codec.Request) *codec.Request {
	t.Helper()
	frame, err := codec.FrameRequest(req, codec.Compress())
	if err != nil {
		t.Fatal(err)
	}
	b.objects["request"] = frame.Bytes()
	c := *req
	c.Items, c.Stored = nil, frame.Stored(b.link("request"))
	return &c
}

// counting registers a function that counts its runs.
func counting(runs *int) *lambdapool.Registry {
	r := lambdapool.NewRegistry()
	lambdapool.RegisterIn(r, "length", func(_ context.Context, b []byte) (int, error) {
		*runs++
		return len(b), nil
	})
	return r
}

func TestStoredArguments(t *testing.T) {
	runs := 0
	r, b := counting(&runs), newBucket()
	h := agent.NewHandler(r)
	h.Transport = b
	arg := bytes.Repeat([]byte("argument"), 1<<20)
	item := only(t, invoke(t, h, b.store(t, request(t, r, "length", arg))))
	if got := result[int](t, item); got != len(arg) || runs != 1 || len(b.requests) != 1 {
		t.Errorf("length %d after %d runs and %d requests", got, runs, len(b.requests))
	}
}

// Whatever is wrong with the store, nothing ran, the reply says what to do, and never
// what is secret.
func TestStoredArgumentsThatCannotBeFetched(t *testing.T) {
	refusing := func(resp func() *http.Response, err error) func(int, *http.Request) (*http.Response, error) {
		return func(int, *http.Request) (*http.Response, error) {
			if err != nil {
				return nil, err
			}
			return resp(), nil
		}
	}
	answer := func(code int, body string) func() *http.Response {
		return func() *http.Response { return status(code, body) }
	}
	for name, tt := range map[string]struct {
		spoil      func(*bucket, *codec.Request)
		answer     func(int, *http.Request) (*http.Response, error)
		tries      int
		says, hint string
	}{
		"denied": {
			answer: refusing(answer(403, "<Error><Code>AccessDenied</Code><Key>"+secret+"</Key></Error>"), nil),
			tries:  1, says: "HTTP 403 AccessDenied", hint: "expired",
		},
		"expired":    {answer: refusing(answer(400, "<Error><Code>ExpiredToken</Code></Error>"), nil), tries: 1, says: "HTTP 400 ExpiredToken", hint: "expired"},
		"missing":    {spoil: func(b *bucket, _ *codec.Request) { clear(b.objects) }, tries: 1, says: "HTTP 404 NoSuchKey", hint: "gone"},
		"redirect":   {answer: refusing(answer(307, ""), nil), tries: 1, says: "HTTP 307", hint: "region"},
		"down":       {answer: refusing(nil, errors.New("connection refused")), tries: 5, says: "connection refused (tried 5 times)", hint: "VPC"},
		"url error":  {answer: refusing(nil, &url.Error{Op: "Get", URL: "https://x/?" + secret, Err: errors.New("no route")}), tries: 5, says: "no route", hint: "VPC"},
		"overloaded": {answer: refusing(answer(503, "<Error><Code>SlowDown</Code></Error>"), nil), tries: 5, says: "HTTP 503 SlowDown (tried 5 times)"},
		"cut": {
			answer: func(int, *http.Request) (*http.Response, error) {
				resp := status(200, "x")
				resp.ContentLength = -1
				return resp, nil
			},
			tries: 5, says: "unexpected EOF",
		},
		"length":  {spoil: func(b *bucket, _ *codec.Request) { b.objects["request"] = []byte("x") }, tries: 1, says: "the object has 1 bytes"},
		"damaged": {spoil: func(b *bucket, _ *codec.Request) { b.objects["request"][50] ^= 1 }, tries: 1, says: "another SHA-256", hint: "changed the object"},
		"too large": {
			spoil: func(b *bucket, r *codec.Request) { r.Stored.Size, b.answer = codec.MaxStored+1, nil },
			answer: func(int, *http.Request) (*http.Response, error) {
				resp := status(200, "")
				resp.ContentLength = -1
				return resp, nil
			},
			tries: 1, says: "is announced",
		},
		"no link":  {spoil: func(_ *bucket, r *codec.Request) { r.Stored.From.URL = "\x7f?" + secret }, says: "not one to an object store"},
		"file":     {spoil: func(_ *bucket, r *codec.Request) { r.Stored.From.URL = "file:///etc/passwd?" + secret }, says: "not one to an object store"},
		"own item": {spoil: func(_ *bucket, r *codec.Request) { r.Items = [][]byte{{1}} }, tries: 1, says: "items of its own"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				runs := 0
				r, b := counting(&runs), newBucket()
				h := agent.NewHandler(r)
				h.Transport = b
				req := b.store(t, request(t, r, "length", bytes.Repeat([]byte("planted"), 1000)))
				b.answer = tt.answer
				if tt.spoil != nil {
					tt.spoil(b, req)
					if b.answer == nil {
						b.answer = tt.answer
					}
				}
				reply := invoke(t, h, req)
				if reply.Err == nil || len(reply.Items) != 0 || runs != 0 {
					t.Fatalf("reply %+v after %d runs, want an error for all and none", reply, runs)
				}
				e := reply.Err
				if e.Kind != codec.KindStore || !strings.Contains(e.Message, tt.says) || !strings.Contains(e.Hint, tt.hint) {
					t.Errorf("%+v", *e)
				}
				if len(b.requests) != tt.tries {
					t.Errorf("tried %d times, want %d", len(b.requests), tt.tries)
				}
				for _, text := range []string{e.Message, e.Hint} {
					if strings.Contains(text, "Signature=") || strings.Contains(text, "planted") {
						t.Errorf("says what is secret: %s", text)
					}
				}
			})
		})
	}
}

// A store that recovers costs time, which the function's deadline knows of.
func TestFetchingTakesTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := lambdapool.NewRegistry()
		lambdapool.RegisterIn(r, "left", func(ctx context.Context, _ []byte) (time.Duration, error) {
			end, _ := ctx.Deadline()
			return time.Until(end), nil
		})
		b := newBucket()
		h := agent.NewHandler(r)
		h.Transport = b
		req := b.store(t, request(t, r, "left", []byte("x")))
		req.Remaining = 10 * time.Second
		b.answer = func(try int, _ *http.Request) (*http.Response, error) {
			time.Sleep(time.Second)
			if try < 3 {
				return status(500, ""), nil
			}
			return nil, nil //nolint:nilnil // as the type of answer says: go on
		}
		began := time.Now()
		got := result[time.Duration](t, only(t, invoke(t, h, req)))
		if took := time.Since(began); got != 10*time.Second-took || took < 3*time.Second {
			t.Errorf("%v are left of 10 s after %v", got, took)
		}

		// And when the time is over, it is not tried any longer.
		b.requests = nil
		req.Remaining = 1500 * time.Millisecond
		b.answer = func(int, *http.Request) (*http.Response, error) {
			time.Sleep(time.Second)
			return status(500, ""), nil
		}
		reply := invoke(t, h, req)
		if reply.Err == nil || reply.Err.Kind != codec.KindStore || !strings.Contains(reply.Err.Message, "deadline") || len(b.requests) > 2 {
			t.Errorf("%+v after %d tries", reply.Err, len(b.requests))
		}

		ctx, cancel := context.WithCancelCause(t.Context())
		gone := errors.New("nobody waits any more")
		b.answer = func(int, *http.Request) (*http.Response, error) {
			cancel(gone)
			return nil, ctx.Err()
		}
		if _, err := h.Invoke(ctx, encode(t, req)); !errors.Is(err, gone) {
			t.Errorf("canceled: %v", err)
		}
	})
}

func TestSpill(t *testing.T) {
	r, b := filling(0), newBucket()
	h := agent.NewHandler(r)
	h.MaxReply, h.Transport = 100_000, b
	for _, tt := range []struct {
		above, n int
		stored   bool
	}{
		{0, 99_000, false},
		{0, 100_000, true},
		{0, 5_000_000, true},
		{20_000, 19_000, false},
		{20_000, 20_000, true},
		{1 << 40, 100_000, true},
	} {
		clear(b.objects)
		req := request(t, r, "fill", tt.n)
		req.Spill = &codec.Spill{To: b.link("reply"), Above: tt.above}
		reply := limited(t, h, req)
		if (reply.Stored != nil) != tt.stored || (len(b.objects) > 0) != tt.stored {
			t.Fatalf("%+v: stored %v, %d objects", tt, reply.Stored, len(b.objects))
		}
		if tt.stored {
			if reply.Agent.Invocation == 0 || reply.Agent.Run == 0 || len(reply.Items) > 0 || reply.ID != req.ID {
				t.Errorf("the small reply is %+v", reply)
			}
			var err error
			if reply, err = codec.ReadReply(bytes.NewReader(b.objects["reply"]), reply.Stored); err != nil {
				t.Fatal(err)
			}
		}
		if got := len(result[[]byte](t, only(t, reply))); got != tt.n {
			t.Errorf("%+v: a result of %d bytes", tt, got)
		}
	}
}

// A compressed reply that fits need not be stored, and is compressed only where it is
// asked for.
func TestCompressedReply(t *testing.T) {
	r, b := lambdapool.NewRegistry(), newBucket()
	lambdapool.RegisterIn(r, "lines", func(_ context.Context, n int) (string, error) {
		var text strings.Builder
		for i := range n {
			text.WriteString("this is line " + strconv.Itoa(i) + "\n")
		}
		return text.String(), nil
	})
	h := agent.NewHandler(r)
	h.MaxReply, h.Transport = 100_000, b
	for _, spill := range []*codec.Spill{nil, {To: b.link("reply")}} {
		for _, compress := range []bool{false, true} {
			req := request(t, r, "lines", 10_000)
			req.Compress, req.Spill = compress, spill
			reply := limited(t, h, req)
			switch item := reply.Items; {
			case compress:
				if got := strings.Count(result[string](t, only(t, reply)), "\n"); got != 10_000 {
					t.Errorf("%d lines", got)
				}
			case spill != nil:
				if reply.Stored == nil {
					t.Error("a reply that is too large was not stored")
				}
			default:
				if item[0].Err == nil || item[0].Err.Kind != codec.KindTooLarge {
					t.Errorf("%+v, want too large", item[0].Err)
				}
			}
		}
	}
}

// The function ran, but its result is lost: the item says so, smaller ones arrive.
func TestSpillThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, b := filling(0), newBucket()
		h := agent.NewHandler(r)
		h.MaxReply, h.Transport = 100_000, b
		for name, tt := range map[string]struct {
			answer func(int, *http.Request) (*http.Response, error)
			tries  int
			says   string
		}{
			"denied": {func(int, *http.Request) (*http.Response, error) {
				return status(403, "<Code>AccessDenied</Code>"+secret), nil
			}, 1, "HTTP 403 AccessDenied"},
			"down": {func(int, *http.Request) (*http.Response, error) { return nil, errors.New("connection reset") }, 5, "connection reset"},
		} {
			b.requests, b.answer = nil, tt.answer
			req := request(t, r, "fill", 200_000, 10)
			req.Spill = &codec.Spill{To: b.link("reply"), Above: 50_000}
			reply := limited(t, h, req)
			if e := reply.Items[0].Err; e == nil || e.Kind != codec.KindStore || !strings.Contains(e.Message, tt.says) ||
				!strings.Contains(e.Message, "200") || strings.Contains(e.Message+e.Hint, "Signature=") || e.Hint == "" {
				t.Errorf("%s: %+v", name, e)
			}
			if got := len(result[[]byte](t, reply.Items[1])); got != 10 {
				t.Errorf("%s: the small item has %d bytes", name, got)
			}
			if len(b.requests) != tt.tries {
				t.Errorf("%s: tried %d times, want %d", name, len(b.requests), tt.tries)
			}
			// What fits into a reply does not need the store after all.
			req = request(t, r, "fill", 60_000)
			req.Spill = &codec.Spill{To: b.link("reply"), Above: 50_000}
			if got := len(result[[]byte](t, only(t, limited(t, h, req)))); got != 60_000 {
				t.Errorf("%s: %d bytes in the reply", name, got)
			}
		}
	})
}

// A store that does not answer leaves time to say so before the kill.
func TestSpillGivesUpInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, b := filling(0), newBucket()
		b.answer = func(_ int, r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		}
		h := agent.NewHandler(r)
		h.MaxReply, h.Transport = 100_000, b
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		req := request(t, r, "fill", 200_000)
		req.Spill = &codec.Spill{To: b.link("reply")}
		data, err := h.Invoke(ctx, encode(t, req))
		if err != nil || ctx.Err() != nil {
			t.Fatalf("%v, context %v", err, ctx.Err())
		}
		if e := only(t, decodeReply(t, data)).Err; e == nil || e.Kind != codec.KindStore || !strings.Contains(e.Hint, "more time") {
			t.Errorf("%+v", e)
		}
	})
}

// The agent's own transport reaches a real server, and does not follow redirects.
func TestOwnTransport(t *testing.T) {
	b := newBucket()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/moved" {
			http.Redirect(w, r, "/request", http.StatusTemporaryRedirect)
			return
		}
		resp, err := b.RoundTrip(r)
		if err != nil {
			t.Error(err)
			return
		}
		w.WriteHeader(resp.StatusCode)
		_, _ = io.Copy(w, resp.Body)
	}))
	defer server.Close()
	runs := 0
	r := counting(&runs)
	h := agent.NewHandler(r)
	req := b.store(t, request(t, r, "length", make([]byte, 1<<20)))
	req.Stored.From.URL = server.URL + "/request?" + secret
	if got := result[int](t, only(t, invoke(t, h, req))); got != 1<<20 {
		t.Errorf("length %d", got)
	}
	req.Stored.From.URL = server.URL + "/moved?" + secret
	if reply := invoke(t, h, req); reply.Err == nil || !strings.Contains(reply.Err.Message, "HTTP 307") {
		t.Errorf("%+v, want the redirect refused", reply.Err)
	}
}
