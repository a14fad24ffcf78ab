package httpagent_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/httpagent"
)

// An agent that ends says so on connections that are idle: a request on its way finds an answer there.
func TestIdleConnectionsAreSaidFarewell(t *testing.T) {
	t.Parallel()
	p := spawn(t)
	c, err := net.Dial("tcp", strings.TrimPrefix(p.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	r := bufio.NewReader(c)
	answer := func() *http.Response {
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		return resp
	}
	fmt.Fprint(c, "GET /lambdapool/v1/health HTTP/1.1\r\nHost: agent\r\n\r\n")
	if resp := answer(); resp.StatusCode != 200 || resp.Close {
		t.Fatalf("health: %s, close %t", resp.Status, resp.Close)
	}
	p.term()
	if resp := answer(); resp.StatusCode != 503 || resp.Header.Get("Lambdapool-Agent") != "1" || !resp.Close {
		t.Errorf("the end of the connection: %s, %v; want 503 with the mark, and no more", resp.Status, resp.Header)
	}
	if _, err := r.ReadByte(); !errors.Is(err, io.EOF) {
		t.Errorf("after the farewell: %v, want EOF", err)
	}
	if state := p.ended(); state.ExitCode() != 0 {
		t.Errorf("the agent ends with %v: %s", state, p.said())
	}
}

// Wherever a farewell meets a request, nothing ran.
func TestFarewells(t *testing.T) {
	t.Parallel()
	const text = "HTTP/1.1 503 Service Unavailable\r\nLambdapool-Agent: 1\r\nConnection: close\r\nContent-Length: 3\r\n\r\nbye"
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(c, text) // before, or while, or after the request is written
			_ = c.(*net.TCPConn).CloseWrite()
			serving.Go(func() {
				_, _ = io.Copy(io.Discard, c)
				c.Close()
			})
		}
	})
	t.Cleanup(func() { l.Close(); serving.Wait() })
	b := open(t, "http://"+l.Addr().String())
	for range 300 {
		if failed := fails(t, b); failed.Outcome != lambdapool.OutcomeNotRun || failed.Permanent {
			t.Fatalf("%v: outcome %v, permanent %t; want not run, and another try", failed, failed.Outcome, failed.Permanent)
		}
	}
}

// Agents that end and begin again under load cost no call, not even of a function that must not run twice.
func TestRestartsUnderLoad(t *testing.T) {
	t.Parallel()
	p := spawn(t, platform+"=1", "LAMBDAPOOL_ADDRESS="+address(t))
	e := executor(t, open(t, p.url, httpagent.WithWorkers(8)), lambdapool.WithTimeout(5*time.Minute))
	var over atomic.Bool
	var callers sync.WaitGroup
	defer callers.Wait()
	defer over.Store(true)
	for range 8 {
		callers.Go(func() {
			for !over.Load() {
				if _, err := lambdapool.Call(t.Context(), e, work, order{}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range 2 {
		pid, err := lambdapool.Call(soon(t), e, work, order{})
		if err != nil {
			t.Fatal(err)
		}
		if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		eventually(t, "another agent answers", func() bool {
			now, err := lambdapool.Call(soon(t), e, work, order{})
			return err == nil && now != pid
		})
	}
}
