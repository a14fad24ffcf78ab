package httpagent_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/agent"
	"github.com/lambdapool/lambdapool/backend/httpagent"
	"github.com/lambdapool/lambdapool/backend/inproc"
)

var shout = lambdapool.Register("shout", func(_ context.Context, s string) (string, error) { return strings.ToUpper(s), nil })

// anAgent stands for one: agent.Main serves the same where its environment says so.
func anAgent() *httptest.Server {
	h := agent.NewHandler(nil)
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Lambdapool-Agent", "1")
		if r.Header.Get("Authorization") != "Bearer 6d1f2a8c90b34e57a1c2d3e4f5061728" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		payload, _ := io.ReadAll(r.Body)
		reply, _ := h.Invoke(r.Context(), payload)
		_, _ = w.Write(reply)
	}))
}

func Example() {
	agents := anAgent()
	defer agents.Close()
	os.Setenv("LAMBDAPOOL_TOKEN", "6d1f2a8c90b34e57a1c2d3e4f5061728")
	defer os.Unsetenv("LAMBDAPOOL_TOKEN")

	b, err := httpagent.New(context.Background(), agents.URL) // https://… where it is not this machine
	if err != nil {
		fmt.Println(err)
		return
	}
	defer b.Close()
	pool, err := lambdapool.New(b)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer pool.Close()
	fmt.Println(lambdapool.Map(context.Background(), pool, shout, []string{"one", "two"}))
	// Output: [ONE TWO] <nil>
}

// signIn is a source of tokens that end.
type signIn struct{}

func (signIn) Token(_ context.Context, renew bool) (string, error) {
	if renew {
		return "", errors.New("the token has ended: sign in again")
	}
	return "a token of yesterday", nil
}

func ExampleWithTokenSource() {
	agents := anAgent()
	defer agents.Close()
	b, err := httpagent.New(context.Background(), agents.URL, httpagent.WithTokenSource(signIn{}))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer b.Close()
	_, err = b.Invoke(context.Background(), &lambdapool.Request{Payload: []byte("a frame")})
	fmt.Println(errors.Is(err, lambdapool.ErrAccessDenied), err)
	// Output: true access denied: no token: the token has ended: sign in again
}

func ExampleWithTokenFromEnv() {
	_, err := httpagent.New(context.Background(), "https://agents.example.com", httpagent.WithTokenFromEnv("AGENTS_TOKEN"))
	fmt.Println(err)
	// Output: lambdapool: open HTTP agents: WithTokenFromEnv: the variable "AGENTS_TOKEN" is not set, or empty
}

func ExampleWithPlainHTTP() {
	_, err := httpagent.New(context.Background(), "http://10.0.0.7:8080")
	fmt.Println(err)
	b, err := httpagent.New(context.Background(), "http://10.0.0.7:8080", httpagent.WithPlainHTTP())
	fmt.Println(b != nil, err)
	// Output:
	// lambdapool: open HTTP agents: http://10.0.0.7:8080 is not encrypted: use https, or WithPlainHTTP (plain=true in a URL) on a network that is yours alone
	// true <nil>
}

func ExampleNew() {
	b, err := httpagent.New(context.Background(), "https://agents.example.com/below/a/path",
		httpagent.WithWorkers(40),                 // ten agents that take four requests each
		httpagent.WithTimeout(10*time.Minute),     // as LAMBDAPOOL_TIMEOUT says there
		httpagent.WithMaxBody(1<<20),              // what the proxy in between carries
		httpagent.WithStore(inproc.New().Store()), // for what is larger: here a store that only this process reaches
		httpagent.WithHTTPTransport(func(t *http.Transport) { t.Proxy = nil }),
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	limits := b.Limits()
	fmt.Println(limits.Workers, limits.Timeout, limits.Request, b.Store() != nil, b.StoreOption())
	fmt.Println(b.Close(), b.Close())
	// Output:
	// 40 10m0s 1048576 true httpagent.WithStore
	// <nil> <nil>
}

// What an agent, or the platform before it, has answered instead of a reply.
func ExampleAnswerError() {
	platform := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }))
	defer platform.Close()
	b, err := httpagent.New(context.Background(), platform.URL)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer b.Close()
	_, err = b.Invoke(context.Background(), &lambdapool.Request{Payload: []byte("x")})
	if answer, ok := errors.AsType[*httpagent.AnswerError](err); ok {
		fmt.Println(answer.Status, answer.Agent)
	}
	// Output: 502 false
}
