package lambdapool_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/inproc"
	"github.com/lambdapool/lambdapool/codec"
)

// A builtBackend's agents say that they are of some build.
type builtBackend struct {
	lambdapool.Backend
	agents string
}

func (b *builtBackend) Invoke(ctx context.Context, req *lambdapool.Request) (*lambdapool.Response, error) {
	resp, err := b.Backend.Invoke(ctx, req)
	if err != nil {
		return nil, err
	}
	reply, err := codec.DecodeReply(resp.Payload)
	if err != nil {
		return nil, err
	}
	reply.Agent.Build = b.agents
	resp.Payload, err = codec.EncodeReply(reply)
	return resp, err
}

// A knowingBackend knows which build its agents should be.
type knowingBackend struct {
	builtBackend
	build func() string
}

func (b *knowingBackend) Build() string { return b.build() }

// The executor warns of another build, once, and asks the backend once.
func TestAnotherBuildWarns(t *testing.T) {
	const unknown = ""
	for _, test := range []struct {
		name         string
		agents, want string
		warnings     int
		asked        int
	}{
		{"another", "aaaa", "bbbb", 1, 1},
		{"the same", "aaaa", "aaaa", 0, 1},
		{"the agents do not say", unknown, "bbbb", 0, 0},
		{"the backend does not know", "aaaa", unknown, 0, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			var log bytes.Buffer
			asked := 0
			b := &knowingBackend{builtBackend{inproc.New(), test.agents}, func() string { asked++; return test.want }}
			e := executor(t, b, lambdapool.WithWorkers(1), lambdapool.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
			for n := range 3 {
				if got, err := lambdapool.Call(t.Context(), e, square, n); err != nil || got != n*n {
					t.Fatalf("%d, %v", got, err)
				}
			}
			if n := strings.Count(log.String(), "level=WARN"); n != test.warnings || n > 0 && !strings.Contains(log.String(), "agent=aaaa want=bbbb") {
				t.Errorf("%d warnings, want %d:\n%s", n, test.warnings, log.String())
			}
			if asked != test.asked {
				t.Errorf("the backend was asked %d times, want %d", asked, test.asked)
			}
		})
	}
}

// Not every backend knows, and one that panics when asked spoils no call.
func TestBuildOfBackends(t *testing.T) {
	var log bytes.Buffer
	logger := lambdapool.WithLogger(slog.New(slog.NewTextHandler(&log, nil)))
	for name, b := range map[string]lambdapool.Backend{
		"without Build": &builtBackend{inproc.New(), "aaaa"},
		"faulty":        &knowingBackend{builtBackend{inproc.New(), "aaaa"}, func() string { panic("no idea") }},
	} {
		log.Reset()
		e := executor(t, b, lambdapool.WithWorkers(1), logger)
		for range 2 {
			if got, err := lambdapool.Call(t.Context(), e, square, 3); err != nil || got != 9 {
				t.Errorf("%s: %d, %v", name, got, err)
			}
		}
		want := map[string]int{"faulty": 1}[name]
		if n := strings.Count(log.String(), "no idea"); n < want || strings.Contains(log.String(), "level=WARN") || strings.Count(log.String(), "level=ERROR") != want {
			t.Errorf("%s: the log says\n%s", name, log.String())
		}
	}
}
