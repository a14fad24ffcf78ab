package cloudrun_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/cloudrun"
	"github.com/lambdapool/lambdapool/internal/runlocal"
)

// Every kind of credentials invokes, or its error says what does.
func TestCredentials(t *testing.T) {
	c := start(t, runlocal.Options{})
	name := c.create(settings{instances: 1, concurrency: 1})
	c.asInvoker(name)
	key, err := os.ReadFile(os.Getenv("GOOGLE_APPLICATION_CREDENTIALS"))
	if err != nil {
		t.Fatal(err)
	}
	own := c.PersonFile(person)
	c.Grant("roles/run.viewer", person, "")
	const tokenCreator = "roles/iam.serviceAccountTokenCreator"
	works := func(t *testing.T, opts ...cloudrun.Option) {
		t.Helper()
		c := &cloud{Server: c.Server, t: t}
		b := c.open(name, opts...)
		if got, err := lambdapool.Call(soon(t), executor(t, b), work, order{Do: "echo", N: 7}); err != nil || got != 7 {
			t.Errorf("%d, %v", got, err)
		}
	}
	fails := func(t *testing.T, want []string, opts ...cloudrun.Option) {
		t.Helper()
		_, err := cloudrun.New(soon(t), name, append(opts, cloudrun.WithEndpoint(c.URL()))...)
		for _, w := range want {
			if err == nil || !strings.Contains(err.Error(), w) {
				t.Errorf("%v; want %q", err, w)
			}
		}
	}
	t.Run("key", func(t *testing.T) { use(t, key); works(t) })
	t.Run("metadata server", func(t *testing.T) {
		t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", "")
		t.Setenv("GCE_METADATA_HOST", c.MetadataHost())
		c.AttachAccount(invoker)
		works(t)
	})
	t.Run("person", func(t *testing.T) {
		use(t, own)
		fails(t, []string{"a person's", "WithServiceAccount", "gcloud iam service-accounts add-iam-policy-binding", "--impersonate-service-account"})
	})
	t.Run("person who may not impersonate", func(t *testing.T) {
		use(t, own)
		c := &cloud{Server: c.Server, t: t}
		b := c.open(name, cloudrun.WithServiceAccount(invoker))
		_, err := lambdapool.Call(soon(t), executor(t, b), work, order{Do: "echo"})
		if !errors.Is(err, lambdapool.ErrAccessDenied) || !strings.Contains(err.Error(), tokenCreator) {
			t.Errorf("%v; want access denied, and the role that is missing", err)
		}
	})
	c.Grant(tokenCreator, person, invoker)
	t.Run("person who impersonates", func(t *testing.T) { use(t, own); works(t, cloudrun.WithServiceAccount(invoker)) })
	t.Run("signed in as another", func(t *testing.T) { use(t, c.ImpersonatedFile(own, invoker)); works(t) })
	t.Run("nobody knows the kind", func(t *testing.T) {
		use(t, []byte(`{"type":"external_account_authorized_user","client_id":"x","client_secret":"x","refresh_token":"x","token_url":"`+c.URL()+`/token","token_info_url":"`+c.URL()+`/info"}`))
		b, err := cloudrun.New(soon(t), name, cloudrun.WithEndpoint(c.URL()), cloudrun.WithURL("https://example.com"))
		if err == nil {
			b.Close()
		}
		if err == nil || !strings.Contains(err.Error(), "cannot mint") {
			t.Errorf("%v", err)
		}
	})
	t.Run("none", func(t *testing.T) {
		use(t, []byte(`{`))
		fails(t, []string{"no credentials", "gcloud auth application-default login"})
	})
	t.Run("unknown key", func(t *testing.T) {
		other := start(t, runlocal.Options{})
		file, err := other.KeyFile("stranger@local-project.iam.gserviceaccount.com")
		if err != nil {
			t.Fatal(err)
		}
		use(t, bytes.ReplaceAll(file, []byte(other.URL()), []byte(c.URL())))
		fails(t, []string{"invalid_grant", "these credentials are not taken", "GOOGLE_APPLICATION_CREDENTIALS"})
	})
	t.Run("may not look", func(t *testing.T) {
		const blind = "blind@local-project.iam.gserviceaccount.com"
		file, err := c.KeyFile(blind)
		if err != nil {
			t.Fatal(err)
		}
		use(t, file)
		fails(t, []string{"roles/run.viewer", "WithURL", "PERMISSION_DENIED"})
	})
}

// An account that may not invoke the service hears which right is missing, and where.
func TestMayNotInvoke(t *testing.T) {
	c := start(t, runlocal.Options{})
	name := c.create(settings{})
	c.asInvoker(name)
	b := c.open(name)
	c.Revoke("roles/run.invoker", invoker, name)
	_, err := b.Invoke(soon(t), &lambdapool.Request{Payload: []byte("x")})
	failed, ok := errors.AsType[*lambdapool.InvokeError](err)
	if !ok || !errors.Is(err, lambdapool.ErrAccessDenied) || !failed.Permanent || failed.Outcome != lambdapool.OutcomeNotRun ||
		!strings.Contains(failed.Hint, "roles/run.invoker") || !strings.Contains(failed.Hint, "gcloud run services add-iam-policy-binding agents") {
		t.Errorf("%v: %+v", err, failed)
	}
	b = c.open(name, cloudrun.WithAudience("https://elsewhere.example.com"))
	c.Grant("roles/run.invoker", invoker, name)
	if _, err = b.Invoke(soon(t), &lambdapool.Request{Payload: []byte("x")}); !errors.Is(err, lambdapool.ErrAccessDenied) {
		t.Errorf("another audience: %v", err)
	}
}

// Whoever makes the tokens may be away for a while: calls wait for it, as long as they have time. A refusal
// ends them.
func TestNoTokenForAWhile(t *testing.T) {
	c := start(t, runlocal.Options{})
	name := c.create(settings{})
	c.asInvoker(name)
	b := c.open(name)
	key, err := os.ReadFile(os.Getenv("GOOGLE_APPLICATION_CREDENTIALS"))
	if err != nil {
		t.Fatal(err)
	}
	var svc struct{ URI string }
	if err := c.Call(soon(t), invoker, http.MethodGet, "/v2/"+name, nil, &svc); err != nil {
		t.Fatal(err)
	}
	answer := func(status int, body string) *lambdapool.InvokeError {
		t.Helper()
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}))
		defer s.Close()
		use(t, []byte(strings.Replace(string(key), c.URL()+"/token", s.URL, 1)))
		b, err := cloudrun.New(soon(t), "agents", cloudrun.WithURL(svc.URI))
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		_, err = b.Invoke(soon(t), &lambdapool.Request{Payload: []byte("x")})
		failed, ok := errors.AsType[*lambdapool.InvokeError](err)
		if !ok || failed.Outcome != lambdapool.OutcomeNotRun {
			t.Fatalf("%v", err)
		}
		return failed
	}
	if e := answer(503, "<html>secret page</html>"); !errors.Is(e, lambdapool.ErrUnreachable) || e.Permanent || strings.Contains(e.Error(), "secret") {
		t.Errorf("an endpoint that is down: %v, permanent %t", e, e.Permanent)
	}
	if e := answer(400, `{"error":"invalid_grant","error_description":"Invalid JWT Signature."}`); !errors.Is(e, lambdapool.ErrAccessDenied) || !e.Permanent || !strings.Contains(e.Error(), "Invalid JWT Signature") {
		t.Errorf("a refused key: %v, permanent %t", e, e.Permanent)
	}
	if _, err := b.Invoke(soon(t), &lambdapool.Request{Payload: []byte("x")}); !errors.Is(err, lambdapool.ErrDecode) {
		t.Errorf("with a token: %v", err)
	}
}
