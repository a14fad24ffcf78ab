package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"time"

	"github.com/lambdapool/lambdapool/internal/httpwire"
)

// A caller sends requests to an agent behind HTTP, one after another on one connection.
type caller struct {
	url     string
	payload []byte
	client  *http.Client
}

// launchServer starts an agent behind HTTP, and waits until its port takes a connection.
func (s *subject) launchServer(ctx context.Context) *running {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	exitOn(err)
	address := listener.Addr().String()
	exitOn(listener.Close())
	cmd := exec.CommandContext(ctx, s.program) //nolint:gosec // built by this program
	cmd.Env = append([]string{
		httpwire.EnvAgent + "=" + httpwire.AgentHTTP, httpwire.EnvAuth + "=" + httpwire.AuthPlatform, httpwire.EnvAddress + "=" + address,
		httpwire.EnvMemory + "=1769", httpwire.EnvConcurrency + "=1",
	}, s.env...)
	begun := time.Now()
	exitOn(cmd.Start())
	tick := time.NewTicker(50 * time.Microsecond)
	defer tick.Stop()
	for {
		c, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
		if err == nil {
			exitOn(c.Close())
			break
		}
		if time.Since(begun) > time.Minute {
			exitOn(errors.Join(errors.New("the agent does not listen"), err))
		}
		<-tick.C
	}
	return &running{
		cmd: cmd, start: time.Since(begun),
		caller: &caller{"http://" + address + httpwire.InvokePath, s.payload, &http.Client{Transport: &http.Transport{}}},
	}
}

// call makes one call.
func (c *caller) call() {
	resp, err := c.client.Post(c.url, "application/octet-stream", bytes.NewReader(c.payload)) //nolint:noctx // it ends with the process
	exitOn(err)
	body, err := io.ReadAll(resp.Body)
	exitOn(errors.Join(err, resp.Body.Close()))
	if resp.StatusCode != http.StatusOK {
		exitOn(fmt.Errorf("HTTP %d: %s", resp.StatusCode, body))
	}
}
