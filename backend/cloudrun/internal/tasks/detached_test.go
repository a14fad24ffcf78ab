package tasks_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-lambda-go/lambdacontext"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/agent"
	"github.com/lambdapool/lambdapool/backend/backendtest"
	"github.com/lambdapool/lambdapool/backend/cloudrun/internal/gcs"
	"github.com/lambdapool/lambdapool/backend/cloudrun/internal/tasks"
	"github.com/lambdapool/lambdapool/driver"
	"github.com/lambdapool/lambdapool/internal/gcslocal"
	"github.com/lambdapool/lambdapool/internal/taskslocal"
)

// A google is a backend whose queue and store are the stand-ins, and whose agent is this process.
type google struct {
	*tasks.Queue

	agent *agent.Handler
	store *gcs.Store
}

func (g *google) Store() driver.Store { return g.store }
func (g *google) StoreOption() string { return "" }

func (g *google) Limits() driver.Limits {
	return driver.Limits{Workers: 4, Request: 6 << 20, Response: 6 << 20, Raw: true}
}

func (g *google) Invoke(ctx context.Context, req *driver.Request) (*driver.Response, error) {
	reply, err := g.agent.Invoke(ctx, req.Payload)
	var bad *agent.BadRequestError
	switch {
	case errors.As(err, &bad):
		return nil, &driver.InvokeError{Outcome: driver.OutcomeNotRun, Kind: driver.ErrDecode, Err: err, Permanent: true}
	case err != nil:
		return nil, &driver.InvokeError{Outcome: driver.OutcomeUnknown, Kind: driver.ErrUnknownOutcome, Err: err}
	}
	return &driver.Response{Payload: reply}, nil
}

// ServeHTTP takes a delivery, as an agent behind HTTP does.
func (g *google) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	payload, err := io.ReadAll(r.Body)
	if err == nil {
		ctx := lambdacontext.NewContext(r.Context(), &lambdacontext.LambdaContext{AwsRequestID: r.Header.Get("X-CloudTasks-TaskName")})
		_, err = g.agent.Invoke(ctx, payload)
	}
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
	}
}

// onGoogle makes one, whose agent is out of order at every third delivery.
func onGoogle(t *testing.T, options ...func(*taskslocal.Config)) *google {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	file, err := json.Marshal(map[string]string{
		"client_email": account, "private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
	})
	if err != nil {
		t.Fatal(err)
	}
	signer, err := gcs.NewKeySigner(file)
	if err != nil {
		t.Fatal(err)
	}
	bucket, err := gcslocal.Open(gcslocal.Config{
		Dir: t.TempDir(), Buckets: []string{"payloads"}, Account: account, Keys: []*rsa.PublicKey{&key.PublicKey},
		Token: func(got string) bool { return got == token },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := bucket.Close(); err != nil {
			t.Error(err)
		}
	})
	store, err := gcs.New(gcs.Config{Bucket: "payloads", Tokens: tokens(), Signer: signer, Endpoint: bucket.Endpoint()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(store.Close)
	g := &google{agent: agent.NewHandler(lambdapool.DefaultRegistry), store: store}
	g.agent.Guest, g.agent.Transport = true, transport(t)
	var deliveries atomic.Int64
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if deliveries.Add(1)%3 == 0 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		g.ServeHTTP(w, r)
	}))
	t.Cleanup(service.Close)
	_, endpoint := local(t, options...)
	g.Queue = open(t, endpoint, service.URL)
	return g
}

// The suite of detached runs passes over the queue and the store.
func TestDetached(t *testing.T) {
	g := onGoogle(t)
	backendtest.RunDetached(t, g)
	if left, err := g.store.List(t.Context(), "", ""); err != nil || len(left.Objects) > 0 {
		t.Errorf("%d objects remain, %v", len(left.Objects), err)
	}
}

var triple = lambdapool.Register("tasks_test.triple", func(_ context.Context, n int) (int, error) {
	ran.Add(1)
	return 3 * n, nil
})

var ran atomic.Int64

// Whatever is delivered twice runs once, and what the queue has dropped is sent again.
func TestDuplicatesAndDrops(t *testing.T) {
	var queued atomic.Int64
	g := onGoogle(t, func(cfg *taskslocal.Config) {
		cfg.Duplicate = func(string) bool { return true }
		cfg.Drop = func(string) bool { return queued.Add(1) <= 5 }
	})
	e, err := lambdapool.New(g)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	}()
	args := make([]int, 40)
	for i := range args {
		args[i] = i
	}
	ran.Store(0)
	start := func() *lambdapool.Run[int] {
		run, err := lambdapool.MapDetached(t.Context(), e, triple, args, lambdapool.ChunkSize(2), lambdapool.RunName("twice"), lambdapool.Resend())
		if err != nil {
			t.Fatal(err)
		}
		return run
	}
	start()
	run := start() // as who was killed does, and here for what was dropped
	defer func() {
		if err := e.DeleteRun(context.Background(), run.ID()); err != nil {
			t.Error(err)
		}
	}()
	got, err := run.Wait(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i, value := range got {
		if value != 3*i {
			t.Errorf("item %d is %d", i, value)
		}
	}
	if ran.Load() != int64(len(args)) || queued.Load() < 25 {
		t.Errorf("%d items ran, by %d tasks", ran.Load(), queued.Load())
	}
}
