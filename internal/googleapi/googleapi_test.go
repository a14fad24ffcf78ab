package googleapi_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lambdapool/lambdapool/driver"
	"github.com/lambdapool/lambdapool/internal/googleapi"
	"github.com/lambdapool/lambdapool/internal/noleak"
)

func TestMain(m *testing.M) { noleak.Main(m) }

// find signs in with a file of a person's, at a server that answers requests to APIs with handle.
func find(t *testing.T, file string, handle http.HandlerFunc) *googleapi.Identity {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/token" {
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write([]byte(`{"access_token":"ya29.x","expires_in":3600,"token_type":"Bearer"}`))
			return
		}
		handle(w, r)
	}))
	t.Cleanup(server.Close)
	name := filepath.Join(t.TempDir(), "credentials.json")
	if err := os.WriteFile(name, []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", name)
	life, end := context.WithCancel(context.Background())
	t.Cleanup(end)
	client := googleapi.NewClient(life)
	t.Cleanup(client.CloseIdleConnections)
	id, err := googleapi.Find(t.Context(), client, googleapi.At(server.URL))
	if err != nil {
		t.Fatal(err)
	}
	return id
}

const person = `{"type":"authorized_user","client_id":"id","client_secret":"secret","refresh_token":"1//x"`

func TestRequestsNameTheQuotaProject(t *testing.T) {
	t.Setenv("GOOGLE_CLOUD_QUOTA_PROJECT", "")
	for _, tc := range []struct{ file, environment, want string }{
		{person + "}", "", ""},
		{person + `,"quota_project_id":"of-the-file"}`, "", "of-the-file"},
		{person + `,"quota_project_id":"of-the-file"}`, "of-the-environment", "of-the-environment"},
	} {
		t.Setenv("GOOGLE_CLOUD_QUOTA_PROJECT", tc.environment)
		got := "nobody asked"
		id := find(t, tc.file, func(w http.ResponseWriter, r *http.Request) {
			if got = r.Header.Get("X-Goog-User-Project"); r.Header.Get("Authorization") != "Bearer ya29.x" {
				t.Errorf("authorization %q", r.Header.Get("Authorization"))
			}
			_, _ = w.Write([]byte("{}"))
		})
		if err := id.Call(t.Context(), id.Found.TokenSource, http.MethodGet, id.At.Run+"/v2/x", nil, &struct{}{}); err != nil || got != tc.want || !id.Person() {
			t.Errorf("%q of the environment: %q, want %q, %v", tc.environment, got, tc.want, err)
		}
	}
}

func TestRefusalsSayWhatTheyAre(t *testing.T) {
	for _, tc := range []struct {
		status int
		body   string
		kind   error
		text   string
	}{
		{403, `{"error":{"status":"PERMISSION_DENIED","message":"no","details":[{"reason":"SERVICE_DISABLED"}]}}`, driver.ErrAccessDenied, "HTTP 403 PERMISSION_DENIED: no"},
		{404, `{"error":{"status":"NOT_FOUND","message":"none"}}`, driver.ErrFunctionNotFound, "none"},
		{503, "<html>", driver.ErrUnreachable, "HTTP 503"},
		{200, "<html>", nil, "not what was expected"},
	} {
		id := find(t, person+"}", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(tc.status)
			_, _ = w.Write([]byte(tc.body))
		})
		err := id.Call(t.Context(), id.Found.TokenSource, http.MethodPost, id.At.IAM+"/v1/x", map[string]string{"a": "b"}, &struct{}{})
		if err == nil || !strings.Contains(err.Error(), tc.text) || tc.kind != nil && !errors.Is(err, tc.kind) {
			t.Errorf("HTTP %d: %v", tc.status, err)
		}
		if googleapi.IsDisabled(err) != strings.Contains(tc.body, "DISABLED") {
			t.Errorf("%v is disabled: %v", err, googleapi.IsDisabled(err))
		}
	}
}

// A file without its key is no matter of the network: nothing is tried again.
func TestBrokenKeyIsNotTheNetwork(t *testing.T) {
	for _, key := range []string{"", "x", "-----BEGIN PRIVATE KEY-----\\nAAAA\\n-----END PRIVATE KEY-----\\n"} {
		file := filepath.Join(t.TempDir(), "key.json")
		text := `{"type":"service_account","client_email":"a@b.c","private_key":"` + key + `"}`
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", file)
		_, err := googleapi.Find(t.Context(), http.DefaultClient, googleapi.At("http://127.0.0.1:1"))
		if !errors.Is(err, driver.ErrAccessDenied) || !strings.Contains(err.Error(), "no private key that can be read") {
			t.Errorf("%q: %v", key, err)
		}
	}
}

func TestAPIsAreWhereGcloudSays(t *testing.T) {
	t.Setenv("CLOUDSDK_API_ENDPOINT_OVERRIDES_RUN", "https://run.example.com/")
	t.Setenv("CLOUDSDK_API_ENDPOINT_OVERRIDES_ARTIFACTREGISTRY", "")
	if at := googleapi.At(""); at.Run != "https://run.example.com" || at.Artifacts != "https://artifactregistry.googleapis.com" || at.Users != "" {
		t.Errorf("%+v", at)
	}
	for variable, want := range map[string]string{"": "https://storage.googleapis.com", "127.0.0.1:2": "http://127.0.0.1:2", "https://x/": "https://x"} {
		t.Setenv("STORAGE_EMULATOR_HOST", variable)
		if at := googleapi.At(""); at.Storage != want {
			t.Errorf("%q: %s", variable, at.Storage)
		}
	}
	if at := googleapi.At("http://127.0.0.1:1/"); at.Run != "http://127.0.0.1:1" || at.Logging != at.Run || at.Storage != at.Run || at.Users != "http://127.0.0.1:1/token" {
		t.Errorf("%+v", at)
	}
}

func TestQuantity(t *testing.T) {
	for text, want := range map[string]float64{"512Mi": 512 << 20, "2G": 2e9, "500m": 0.5, "2": 2, "": 0, "x": 0, "-1": 0, "1Xi": 0, "1e30": 0} {
		if got := googleapi.Quantity(text); got != want {
			t.Errorf("%q is %v, want %v", text, got, want)
		}
	}
}
