package agent_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/lambdapool/lambdapool/agent"
	"github.com/lambdapool/lambdapool/codec"
)

// form is a link to POST objects below "run/".
func (b *bucket) form() codec.Link {
	return codec.Link{
		URL: "https://bucket.example.org/", Under: "run/",
		Form: map[string]string{"x-amz-signature": "c2VjcmV0", "policy": "e30="},
	}
}

// post takes a form as S3 does.
func (b *bucket) post(r *http.Request) (*http.Response, error) {
	reader, err := r.MultipartReader()
	if err != nil {
		return nil, err
	}
	if r.ContentLength <= 0 {
		return status(411, "<Code>MissingContentLength</Code>"), nil
	}
	fields := map[string]string{}
	for {
		part, err := reader.NextPart()
		if errors.Is(err, io.EOF) {
			return status(400, "<Code>InvalidArgument</Code>"), nil
		}
		if err != nil {
			return nil, err
		}
		data, err := io.ReadAll(part)
		if err != nil {
			return nil, err
		}
		if part.FormName() != "file" {
			fields[part.FormName()] = string(data)
			continue
		}
		if part.FileName() == "" || fields["x-amz-signature"] != "c2VjcmV0" || fields["policy"] != "e30=" || !strings.HasPrefix(fields["key"], "run/") {
			return status(403, "<Code>AccessDenied</Code><StringToSign>"+fields["x-amz-signature"]+"</StringToSign>"), nil
		}
		if rest, err := io.ReadAll(r.Body); err != nil || len(rest) > 0 {
			return nil, fmt.Errorf("%d bytes follow the form, %w", len(rest), err)
		}
		b.objects[fields["key"]] = data
		return status(204, ""), nil
	}
}

// Large replies go by a form as well: one signature serves many of them.
func TestSpillByForm(t *testing.T) {
	r, b := filling(0), newBucket()
	counted := 0
	h := agent.NewHandler(r)
	h.MaxReply, h.Transport = 100_000, roundTripper(func(r *http.Request) (*http.Response, error) {
		counted++
		length := r.ContentLength
		var body bytes.Buffer
		if n, err := body.ReadFrom(r.Body); err != nil || n != length {
			t.Errorf("a body of %d bytes is announced as %d, %v", n, length, err)
		}
		r.Body = io.NopCloser(&body)
		return b.post(r)
	})
	for _, n := range []int{100_000, 5_000_000} {
		req := request(t, r, "fill", n)
		req.Spill = &codec.Spill{To: b.form(), Name: "7.reply"}
		reply := limited(t, h, req)
		if reply.Stored == nil {
			t.Fatalf("%d bytes were not stored: %+v", n, reply)
		}
		full, err := codec.ReadReply(bytes.NewReader(b.objects["run/7.reply"]), reply.Stored)
		if err != nil {
			t.Fatal(err)
		}
		if got := len(result[[]byte](t, only(t, full))); got != n {
			t.Errorf("%d bytes come back as %d", n, got)
		}
	}
	// A form that is refused is told of without what is secret in it.
	req := request(t, r, "fill", 200_000)
	req.Spill = &codec.Spill{To: b.form(), Name: "8.reply"}
	req.Spill.To.Under = "other/"
	e := only(t, limited(t, h, req)).Err
	if e == nil || e.Kind != codec.KindStore || strings.Contains(e.Message+e.Hint, "c2VjcmV0") ||
		!strings.Contains(e.Message, "POST https://bucket.example.org/ of other/8.reply: HTTP 403 AccessDenied") {
		t.Errorf("%+v", e)
	}
	if counted != 3 {
		t.Errorf("%d requests", counted)
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// What is created tells apart: created, there before, there perhaps by ourselves.
func TestCreateObject(t *testing.T) {
	gone := status(412, "<Code>PreconditionFailed</Code>")
	down, dial := errors.New("connection reset"), &net.OpError{Op: "dial", Err: errors.New("refused")}
	for name, tt := range map[string]struct {
		answers []any // *http.Response or error
		existed bool
		unsure  bool
		says    string // of the error; "": none
	}{
		"created":              {answers: []any{status(200, "")}},
		"there before":         {answers: []any{gone}, existed: true},
		"lost, then there":     {answers: []any{down, gone}, existed: true, unsure: true, says: "perhaps by an earlier try"},
		"500, then there":      {answers: []any{status(500, ""), gone}, existed: true, unsure: true, says: "perhaps by an earlier try"},
		"not sent, then there": {answers: []any{dial, gone}, existed: true},
		"conflict, then there": {answers: []any{status(409, "<Code>ConditionalRequestConflict</Code>"), gone}, existed: true},
		"conflict, then made":  {answers: []any{status(409, ""), status(200, "")}},
		"denied":               {answers: []any{status(403, "<Code>AccessDenied</Code>")}, says: "HTTP 403 AccessDenied"},
		"down":                 {answers: []any{down, down, down, down, down}, says: "connection reset (tried 5 times)"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tries := 0
				h := agent.NewHandler(filling(0))
				h.Transport = roundTripper(func(r *http.Request) (*http.Response, error) {
					body, err := io.ReadAll(r.Body)
					if err != nil || string(body) != "claim" || r.ContentLength != 5 || r.Method != http.MethodPut || r.Header.Get("If-None-Match") != "*" {
						t.Errorf("%s %v of %q (%d bytes), %v", r.Method, r.Header, body, r.ContentLength, err)
					}
					tries++
					if err, ok := tt.answers[tries-1].(error); ok {
						return nil, err
					}
					return tt.answers[tries-1].(*http.Response), nil
				})
				link := codec.Link{URL: "https://bucket.example.org/claim?" + secret, Header: map[string]string{"If-None-Match": "*"}}
				existed, err := h.CreateObject(t.Context(), link, []byte("claim"))
				if existed != tt.existed || (err != nil) != (tt.says != "") || errors.Is(err, agent.ErrPerhapsOurs) != tt.unsure || tries != len(tt.answers) {
					t.Errorf("existed %v, %v, after %d tries", existed, err, tries)
				}
				if err != nil && (!strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), secret)) {
					t.Errorf("%v, want …%s…", err, tt.says)
				}
			})
		})
	}
}

func TestObjectExists(t *testing.T) {
	denied := func() *http.Response { return status(403, "<Code>AccessDenied</Code>") }
	for name, tt := range map[string]struct {
		answer, beside *http.Response
		want           bool
		says           string
	}{
		"there":                   {answer: status(206, "x"), want: true},
		"ranges not known":        {answer: status(200, "all of it"), want: true},
		"empty":                   {answer: status(416, "<Code>InvalidRange</Code>"), want: true},
		"missing":                 {answer: status(404, "<Code>NoSuchKey</Code>")},
		"missing, may not list":   {answer: denied(), beside: status(206, "x")},
		"denied":                  {answer: denied(), beside: denied(), says: "HTTP 403 AccessDenied"},
		"denied, the other gone":  {answer: denied(), beside: status(404, ""), says: "HTTP 403 AccessDenied"},
		"something else is wrong": {answer: status(400, "<Code>ExpiredToken</Code>"), says: "HTTP 400 ExpiredToken"},
	} {
		h := agent.NewHandler(filling(0))
		h.Transport = roundTripper(func(r *http.Request) (*http.Response, error) {
			if r.Method != http.MethodGet || r.Header.Get("Range") != "bytes=0-0" {
				t.Errorf("%s %v", r.Method, r.Header)
			}
			if r.URL.Path == "/claim" {
				return tt.beside, nil
			}
			return tt.answer, nil
		})
		link := func(key string) codec.Link {
			return codec.Link{URL: "https://bucket.example.org/" + key + "?" + secret}
		}
		got, err := h.ObjectExists(t.Context(), link("done"), link("claim"))
		if got != tt.want || (err != nil) != (tt.says != "") || err != nil && !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

// A form arrives whole at a server that reads it with the standard library, after a try
// that failed too, and one that never succeeds ends with the context.
func TestPostObject(t *testing.T) {
	b, tries := newBucket(), 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if tries++; tries == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		resp, err := b.post(r)
		if err != nil {
			t.Error(err)
			return
		}
		w.WriteHeader(resp.StatusCode)
	}))
	defer server.Close()
	h := agent.NewHandler(filling(0))
	form := b.form()
	form.URL = server.URL
	for _, want := range [][]byte{{}, []byte("mark"), bytes.Repeat([]byte("--lambdapool-\r\n"), 100_000)} {
		if err := h.PostObject(t.Context(), form, "started.x", want); err != nil || !bytes.Equal(b.objects["run/started.x"], want) {
			t.Errorf("%d bytes arrive as %d, %v", len(want), len(b.objects["run/started.x"]), err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := h.PostObject(ctx, form, "x", nil); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
}
