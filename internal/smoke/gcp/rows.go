package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/cloudrun"
	"github.com/lambdapool/lambdapool/deploy/rundeploy"
	"github.com/lambdapool/lambdapool/deploy/shared"
	"github.com/lambdapool/lambdapool/internal/httpwire"
	"github.com/lambdapool/lambdapool/internal/smoke/claims"
	"github.com/lambdapool/lambdapool/internal/smoke/work"
)

// deployRows is how many rows make what the others need.
const deployRows = 2

// rows are the claims, those first that make what the others need. Each is of docs/not-proven.md, whose lines say which.
func (c *cloud) rows(workers int) []claims.Row {
	return []claims.Row{
		{Claim: "A dry run checks a service whose image is not pushed (validateOnly)", Check: c.dryRun},
		{Claim: "Image, repository, push, service and first call work, without Docker and gcloud", Check: func(ctx context.Context) (string, error) { return c.deploy(ctx, workers) }},
		{Claim: "An invocation works end to end, and bytes arrive exact", Check: c.bytesExact},
		{Claim: fmt.Sprintf("A request may have %d bytes, and one more is 413 without the agent's mark", httpwire.MaxBody), Check: c.requestSize},
		{Claim: "The URL of a service is a good audience; the front end refuses the rest with 401 and 403", Check: c.audiences},
		{Claim: "An ID token can be had, and has more than a minute left", Check: c.tokenLife},
		{Claim: "A crash and a kill for memory are an unknown outcome (503)", Check: c.crashes},
		{Claim: "A request that finds no instance is refused with 429 after some ten seconds", Check: c.throttled},
		{Claim: "The log has what agents print", Check: c.log},
		{Claim: "Large payloads travel through the bucket by signed links", Check: c.largePayload},
		{Claim: "Detached runs are delivered by Cloud Tasks and recorded once", Check: c.detached},
		{Claim: fmt.Sprintf("%d workers are reached", workers), Check: func(ctx context.Context) (string, error) { return c.ramp(ctx, workers) }},
		{Claim: "Of two changes of a service at once, none is lost without a word (etag)", Check: c.twoUpdates},
		{Claim: "The conformance suites of backends and of stores pass", Check: c.conformance},
	}
}

func (c *cloud) dryRun(ctx context.Context) (_ string, err error) {
	if c.image, err = rundeploy.Build(ctx, ".", agentPackage); err != nil {
		return "", err
	}
	_, err = c.client.Create(ctx, rundeploy.Spec{Name: c.name, Artifact: c.image}, rundeploy.CreateOptions{DryRun: true})
	return "accepted", err
}

func (c *cloud) deploy(ctx context.Context, workers int) (string, error) {
	began := time.Now()
	made, err := c.create(ctx, c.name, rundeploy.Settings{Timeout: timeout, Instances: workers})
	if err != nil {
		return "", err
	}
	took := time.Since(began)
	_, err = c.create(ctx, c.plain(), rundeploy.Settings{Timeout: longTimeout, Instances: 1})
	return fmt.Sprintf("%d functions, %.0f s", len(made.Registry.Functions), took.Seconds()), err
}

func (c *cloud) bytesExact(ctx context.Context) (string, error) { return c.echo(ctx, 100_000) }

// echo sends bytes of all values, and compares what comes back.
func (c *cloud) echo(ctx context.Context, n int) (string, error) {
	return c.on(ctx, c.plain(), func(e *lambdapool.Executor) (string, error) {
		data := work.Pattern(n)
		got, err := lambdapool.Call(ctx, e, work.Echo, data)
		if err == nil && !bytes.Equal(got, data) {
			err = errors.New("other bytes came back")
		}
		return fmt.Sprintf("%d bytes there and back", n), err
	})
}

// An answer is what came back on a raw request.
type answer struct {
	status int
	marked bool // the agent spoke
	body   string
}

// raw is the client of what no backend sends.
var raw = &http.Client{Transport: &http.Transport{Proxy: http.ProxyFromEnvironment}}

// ask sends a raw request, with a token or without.
func ask(ctx context.Context, method, url, token string, body []byte) (answer, error) {
	r, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	if token != "" {
		r.Header.Set("Authorization", token)
	}
	resp, err := raw.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = resp.Body.Close() }() // all that counts was read
	data, err := io.ReadAll(io.LimitReader(resp.Body, 200))
	return answer{resp.StatusCode, resp.Header.Get(httpwire.Mark) == httpwire.MarkValue, string(data)}, err
}

func (a answer) String() string {
	who := "the platform"
	if a.marked {
		who = "the agent"
	}
	return fmt.Sprintf("%d from %s", a.status, who)
}

// requestSize sends bodies that are no frames: an agent refuses them, with its mark.
func (c *cloud) requestSize(ctx context.Context) (string, error) {
	svc, token, err := c.reach(ctx)
	if err != nil {
		return "", err
	}
	most, err := ask(ctx, http.MethodPost, svc.URL+httpwire.InvokePath, token, make([]byte, httpwire.MaxBody))
	if err != nil {
		return "", err
	}
	more, err := ask(ctx, http.MethodPost, svc.URL+httpwire.InvokePath, token, make([]byte, httpwire.MaxBody+1))
	if err == nil && (!most.marked || more.marked || more.status != http.StatusRequestEntityTooLarge) {
		err = errors.New("that is not what we say")
	}
	return fmt.Sprintf("%v; one byte more: %v", most, more), err
}

// reach returns the first service, and a token for its URL.
func (c *cloud) reach(ctx context.Context) (rundeploy.Service, string, error) {
	svc, err := c.client.Service(ctx, c.name)
	if err != nil {
		return svc, "", err
	}
	token, err := c.token(ctx)
	return svc, token, err
}

// audiences asks for health with right and wrong tokens.
func (c *cloud) audiences(ctx context.Context) (string, error) {
	svc, token, err := c.reach(ctx)
	if err != nil {
		return "", err
	}
	other, err := c.token(ctx, cloudrun.WithAudience("https://elsewhere.example"))
	if err != nil {
		return "", err
	}
	var seen []string
	for _, test := range []struct {
		what, token string
		status      int
		marked      bool
	}{
		{"its token", token, http.StatusOK, true},
		{"none", "", http.StatusForbidden, false},
		{"one for another audience", other, http.StatusUnauthorized, false},
		{"a broken one", token[:len(token)-8] + "AAAAAAAA", http.StatusUnauthorized, false},
	} {
		got, failed := ask(ctx, http.MethodGet, svc.URL+httpwire.HealthPath, test.token, nil)
		seen = append(seen, fmt.Sprintf("%s: %v", test.what, got))
		if failed == nil && (got.status != test.status || got.marked != test.marked) {
			failed = fmt.Errorf("with %s we say %d", test.what, test.status)
		}
		err = errors.Join(err, failed)
	}
	return strings.Join(seen, ", "), err
}

// tokenLife looks at what the backend sends. It renews tokens five minutes before their end.
func (c *cloud) tokenLife(ctx context.Context) (string, error) {
	token, err := c.token(ctx)
	if err != nil {
		return "", err
	}
	left, err := lifeOf(strings.TrimPrefix(token, "Bearer "))
	if err == nil && left < time.Minute {
		err = errors.New("that is less than we send")
	}
	return fmt.Sprintf("%v left of the one that was sent", left.Round(time.Second)), err
}

// crashes runs functions that end their agent: nobody can tell one end from the other, nor from a start that failed.
func (c *cloud) crashes(ctx context.Context) (string, error) {
	var seen []string
	return c.on(ctx, c.plain(), func(e *lambdapool.Executor) (string, error) {
		var failed error
		for _, test := range []struct {
			what string
			fn   *lambdapool.Func[int, int]
			arg  int
		}{{"an exit", work.Exit, 3}, {"too much memory", work.Hoard, 4 * memory}} {
			_, err := lambdapool.Call(ctx, e, test.fn, test.arg)
			seen = append(seen, fmt.Sprintf("%s: %v", test.what, err))
			if !errors.Is(err, lambdapool.ErrUnknownOutcome) {
				failed = errors.Join(failed, fmt.Errorf("%s is not %w", test.what, lambdapool.ErrUnknownOutcome))
			}
		}
		return strings.Join(seen, "; "), failed
	})
}

// throttled keeps the only instance of a service busy for longer than a request waits. Cloud Run may start one more than
// the service may have: then nothing is refused, which says nothing.
func (c *cloud) throttled(ctx context.Context) (string, error) {
	return c.on(ctx, c.plain(), func(e *lambdapool.Executor) (string, error) {
		began := time.Now()
		if _, err := lambdapool.Map(ctx, e, work.Linger, []time.Duration{25 * time.Second, 25 * time.Second}, lambdapool.ChunkSize(1)); err != nil {
			return "", err
		}
		seen := fmt.Sprintf("%d refusals while the instance was busy for 25 s, both calls were done after %.0f s", e.Stats().Throttles, time.Since(began).Seconds())
		if e.Stats().Throttles == 0 {
			return seen, errors.New("none was refused: was there a second instance?")
		}
		return seen, nil
	}, cloudrun.WithWorkers(2))
}

// log waits for lines of the service's agents: logs arrive late.
func (c *cloud) log(ctx context.Context) (string, error) {
	began := time.Now()
	for wait := time.Duration(0); ; wait = 3 * time.Second {
		select {
		case <-ctx.Done():
			return "", context.Cause(ctx)
		case <-time.After(wait):
		}
		n := 0
		for _, err := range c.client.Logs(ctx, c.plain(), shared.LogQuery{Since: time.Hour}) {
			if err != nil {
				return "", err
			}
			n++
		}
		if n > 0 {
			return fmt.Sprintf("%d lines after %.0f s", n, time.Since(began).Seconds()), nil
		}
	}
}

// largePayload sends more than a request carries, so that arguments and result both go through the bucket.
func (c *cloud) largePayload(ctx context.Context) (string, error) { return c.echo(ctx, 48<<20) }

// detached sends 40 calls to the queue, and reads them back as another program would, by the name of the run.
func (c *cloud) detached(ctx context.Context) (string, error) {
	return c.on(ctx, c.name, func(e *lambdapool.Executor) (string, error) {
		in := numbers(40)
		r, err := lambdapool.MapDetached(ctx, e, work.Square, in)
		if err != nil {
			return "", err
		}
		again, err := lambdapool.Attach(ctx, e, work.Square, r.ID())
		if err != nil {
			return "", err
		}
		out, err := again.Wait(ctx)
		if err == nil {
			err = squares(out)
		}
		return fmt.Sprintf("%d calls", len(out)), err
	})
}

func numbers(n int) []int {
	in := make([]int, n)
	for i := range in {
		in[i] = i
	}
	return in
}

func squares(out []int) error {
	for i, n := range out {
		if n != i*i {
			return fmt.Errorf("call %d is %d", i, n)
		}
	}
	return nil
}

// ramp has ten calls for each worker, one invocation each. It fails only for wrong values: how fast instances grow is
// Google's to say, and nobody has said it.
func (c *cloud) ramp(ctx context.Context, workers int) (string, error) {
	return c.on(ctx, c.name, func(e *lambdapool.Executor) (string, error) {
		began := time.Now()
		out, err := lambdapool.Map(ctx, e, work.Square, numbers(10*workers), lambdapool.ChunkSize(1))
		if err == nil {
			err = squares(out)
		}
		s := e.Stats()
		return fmt.Sprintf("%d calls of 0.2 s in %.1f s (2.0 s would be ideal), %d cold starts, %d throttles", len(out), time.Since(began).Seconds(), s.ColdStarts, s.Throttles), err
	}, cloudrun.WithWorkers(workers))
}

// twoUpdates changes a service twice at once: each change is there in the end, or was refused.
func (c *cloud) twoUpdates(ctx context.Context) (string, error) {
	failed := make(chan error)
	for _, name := range []string{"FIRST", "SECOND"} {
		go func() {
			_, err := c.client.Update(ctx, rundeploy.Spec{Name: c.plain(), Settings: rundeploy.Settings{Env: map[string]string{name: "yes"}}}, rundeploy.UpdateOptions{NoSmoke: true})
			failed <- err
		}()
	}
	refused := 0
	for range 2 {
		switch err := <-failed; {
		case errors.Is(err, shared.ErrChanged):
			refused++
		case err != nil:
			return "", errors.Join(err, <-failed)
		}
	}
	svc, err := c.client.Service(ctx, c.plain())
	if err != nil {
		return "", err
	}
	there := 0
	for _, name := range []string{"FIRST", "SECOND"} {
		if svc.Env[name] == "yes" {
			there++
		}
	}
	seen := fmt.Sprintf("%d changes are there, %d were refused", there, refused)
	if there+refused != 2 {
		return seen, errors.New("one is lost")
	}
	return seen, nil
}
