package local

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/lambdapool/lambdapool/backend/local/internal/controlplane"
	"github.com/lambdapool/lambdapool/backend/local/internal/keep"
	"github.com/lambdapool/lambdapool/backend/local/internal/sandbox"
	"github.com/lambdapool/lambdapool/backend/local/internal/wire"
)

// A Server is an embedded Lambda without a function of its own: clients create
// them, from zips whose bootstrap it really runs, as they would in an account.
// Lambda's control plane and Invoke, and as much of IAM, STS and CloudWatch
// Logs as deploying a function takes, share one endpoint: the service is the
// one that the request is signed for. Each region that a client names is its own.
//
// It is for who deploys, and for tests of what does: package deploy, the AWS CLI and the
// SDKs work with it when AWS_ENDPOINT_URL leads them there. Whoever wants calls to run, and
// not functions to be made, takes a [Backend], which needs no zip.
//
// All state is in memory, and gone with the Server, unless [WithData] says where functions,
// roles and queued events are kept. Safe for concurrent use.
type Server struct {
	credentials aws.Credentials
	endpoint    string
	lambda      *controlplane.Lambda
	http        *http.Server
	spawner     *sandbox.Spawner
	data        *keep.Dir // nil: nothing is kept

	close    sync.Once
	closeErr error
}

// NewServer starts an embedded Lambda that is empty. It listens on loopback
// only. The caller closes it.
//
// Of the options those apply that are not about one function: WithAddress, WithCredentials,
// WithConcurrency (the account's, by default Lambda's 1,000), WithAgents, WithScalingLaw, WithCodeStorage,
// WithData, WithFreeze, WithUpdateTime, WithInitTimeout, WithIdleTimeout, WithEventRetries,
// WithLogOutput and WithLogger. The others are an error: what they say is for
// CreateFunction to say.
//
// Code is unpacked into a directory of its own below os.TempDir, which a Go
// program cannot be sure to remove when it is killed. So a process that waits
// for the end of this one, however it ends, removes it: /bin/sh, in a session
// of its own. (Running bootstraps from memory would leave nothing to remove,
// but has no place for the other files of a zip, nor for scripts.)
func NewServer(opts ...Option) (*Server, error) {
	cfg := defaults()
	cfg.name, cfg.memory, cfg.timeout, cfg.env, cfg.concurrency = "", 0, 0, nil, accountConcurrency
	for _, opt := range opts {
		if opt == nil {
			return nil, errors.New("lambdapool: local: nil option")
		}
		if err := opt(&cfg); err != nil {
			return nil, fmt.Errorf("lambdapool: local: %w", err)
		}
	}
	switch {
	case os.Getenv(sandbox.Marker) != "":
		return nil, errors.New("lambdapool: local: this process is an agent, and agents must not start agents of their own")
	case cfg.binary != "" || cfg.name != "" || cfg.memory != 0 || cfg.timeout != 0 || cfg.env != nil || cfg.faults != nil || cfg.shards != 1:
		return nil, errors.New("lambdapool: local: a server has no function yet: leave out WithBinary, WithFunctionName, WithMemory, WithTimeout, WithEnv, WithFaults and WithShards (CreateFunction sets what they would)")
	}
	s, err := serve(cfg)
	if err != nil {
		return nil, fmt.Errorf("lambdapool: local: server: %w", err)
	}
	return s, nil
}

func serve(cfg config) (_ *Server, err error) {
	var undo []func() error
	defer func() {
		if err != nil {
			for _, f := range slices.Backward(undo) {
				err = errors.Join(err, f())
			}
		}
	}()
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp4", cfg.address)
	if err != nil {
		return nil, err
	}
	undo = append(undo, listener.Close)
	spawner, err := sandbox.NewSpawner()
	if err != nil {
		return nil, err
	}
	undo = append(undo, func() error { spawner.Close(); return nil })
	data, err := openData(cfg.data)
	if err != nil {
		return nil, err
	}
	undo = append(undo, data.Unlock)
	address := listener.Addr().String()
	s := &Server{credentials: cfg.keyPair(), endpoint: "http://" + address, spawner: spawner, data: data}
	s.lambda, err = controlplane.New(controlplane.Config{
		Auth: wire.NewAuthenticator(s.credentials.AccessKeyID, s.credentials.SecretAccessKey), Spawner: spawner, Data: data,
		Environments: cfg.environments(address), Terms: cfg.events,
		Concurrency: cfg.concurrency, Law: cfg.law, Agents: cfg.agents, CodeStorage: cfg.codeStorage, UpdateTime: cfg.updateTime, Fetch: cfg.fetch,
	})
	if err != nil {
		return nil, err
	}
	s.http = newServer(s.lambda.Handler(), cfg.logger)
	go func() { _ = s.http.Serve(listener) }() // http.ErrServerClosed
	s.lambda.Resume()
	return s, nil
}

// Endpoint returns the URL of all services, on loopback: what AWS_ENDPOINT_URL is set to. A
// request says by its signature which service it is for, and in which region; one for a
// service that is not here is answered 501, in the form that its clients read. It is the
// same until Close.
func (s *Server) Endpoint() string { return s.endpoint }

// Credentials returns the key pair that requests are signed with: that of
// WithCredentials, or one made for this Server.
func (s *Server) Credentials() (accessKeyID, secretAccessKey string) {
	return s.credentials.AccessKeyID, s.credentials.SecretAccessKey
}

// Close kills all agents and everything they started, answers the invocations that were
// running with an error, frees the port and removes all code. It returns when all that is
// done. With [WithData] what is kept stays there, with the events that wait; those that run
// have ten seconds to end. A second Close waits for the first and returns the same.
func (s *Server) Close() error {
	s.close.Do(func() {
		s.lambda.Stop()
		ctx, cancel := context.WithTimeout(context.Background(), shutdownTime)
		defer cancel()
		if s.http.Shutdown(ctx) != nil {
			s.closeErr = s.http.Close()
		}
		s.closeErr = errors.Join(s.closeErr, s.lambda.Close(), s.data.Unlock())
		s.spawner.Close()
	})
	return s.closeErr
}
