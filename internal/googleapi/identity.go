package googleapi

import (
	"cmp"
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"

	"cloud.google.com/go/compute/metadata"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/google"

	"github.com/lambdapool/lambdapool/driver"
)

// Scope is the one that Google's APIs want; what the holder may do is IAM's to say.
const Scope = "https://www.googleapis.com/auth/cloud-platform"

// Endpoints says where Google's own APIs are.
type Endpoints struct {
	Run       string // Admin API of Cloud Run, v2
	IAM       string // IAM Service Account Credentials, v1
	Artifacts string // Artifact Registry, v1
	Logging   string // Cloud Logging, v2
	Tasks     string // Cloud Tasks, v2
	Storage   string // Cloud Storage, its XML API
	Users     string // token endpoint of users' credentials; "": x/oauth2 knows
}

// At returns where the APIs are: all at endpoint, or where it is empty at Google, and where the
// variables of gcloud say otherwise.
func At(endpoint string) Endpoints {
	if endpoint != "" {
		e := strings.TrimSuffix(endpoint, "/")
		return Endpoints{Run: e, IAM: e, Artifacts: e, Logging: e, Tasks: e, Storage: e, Users: e + "/token"}
	}
	return Endpoints{
		Run: or("RUN", "https://run.googleapis.com"), IAM: or("IAMCREDENTIALS", "https://iamcredentials.googleapis.com"),
		Artifacts: or("ARTIFACTREGISTRY", "https://artifactregistry.googleapis.com"), Logging: or("LOGGING", "https://logging.googleapis.com"),
		Tasks: or("CLOUDTASKS", "https://cloudtasks.googleapis.com"), Storage: storage(),
	}
}

// storage is where Cloud Storage is. The variable is that of Google's own clients, whose value may be without a scheme.
// Source: pkg.go.dev/cloud.google.com/go/storage, 2026-11.
func storage() string {
	emulator := os.Getenv("STORAGE_EMULATOR_HOST")
	if emulator != "" && !strings.Contains(emulator, "://") {
		emulator = "http://" + emulator
	}
	return strings.TrimSuffix(cmp.Or(emulator, "https://storage.googleapis.com"), "/")
}

// or is what gcloud's variable for an API says, or the usual place.
func or(api, usual string) string {
	return strings.TrimSuffix(cmp.Or(os.Getenv("CLOUDSDK_API_ENDPOINT_OVERRIDES_"+api), usual), "/")
}

// An Identity is who the client is to Google: the application default credentials.
type Identity struct {
	Found  *google.Credentials
	Client *http.Client // for tokens, and for the APIs
	At     Endpoints

	// Quota is the project that requests to APIs are counted for. A person's credentials need one with many APIs; those of
	// a service account have their own. "": Google decides.
	Quota string
}

// quotaProject is what the environment says, or the file of the credentials, as in Google's libraries:
// https://cloud.google.com/docs/quotas/set-quota-project, 2026-11.
func quotaProject(file []byte) string {
	var said struct {
		Project string `json:"quota_project_id"`
	}
	_ = json.Unmarshal(file, &said) // there may be no file, which says nothing
	return cmp.Or(os.Getenv("GOOGLE_CLOUD_QUOTA_PROJECT"), said.Project)
}

// Person reports whether the credentials are a person's, as gcloud makes them.
func (id *Identity) Person() bool {
	var said struct {
		Type string `json:"type"`
	}
	return json.Unmarshal(id.Found.JSON, &said) == nil && said.Type == "authorized_user"
}

// Find finds the credentials. It may look for a metadata server. client serves for all that is
// asked on their behalf, as long as they are used.
func Find(ctx context.Context, client *http.Client, at Endpoints) (*Identity, error) {
	found, err := google.FindDefaultCredentialsWithParams(Context(ctx, client), google.CredentialsParams{Scopes: []string{Scope}, TokenURL: at.Users})
	if err != nil {
		return nil, fmt.Errorf("no credentials: %w; `gcloud auth application-default login` makes some, GOOGLE_APPLICATION_CREDENTIALS names a file of them", err)
	}
	if err := checkKey(found.JSON); err != nil {
		return nil, err
	}
	return &Identity{Found: found, Client: client, At: at, Quota: quotaProject(found.JSON)}, nil
}

// checkKey finds a service account's file that is broken. x/oauth2 would notice with the first token, in an error that
// looks like one of the network, and the call would be tried again and again.
func checkKey(file []byte) error {
	var said struct {
		Type string `json:"type"`
		Key  string `json:"private_key"`
	}
	_ = json.Unmarshal(file, &said) // there may be no file, which has no key to check
	if said.Type != "service_account" {
		return nil
	}
	if block, _ := pem.Decode([]byte(said.Key)); block != nil {
		if _, err := x509.ParsePKCS8PrivateKey(block.Bytes); err == nil {
			return nil
		}
		if _, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
			return nil
		}
	}
	return fmt.Errorf("%w: the file of the service account's credentials has no private key that can be read: get it anew, and have GOOGLE_APPLICATION_CREDENTIALS name it", driver.ErrAccessDenied)
}

// Context is what x/oauth2 keeps for later requests: not the end of ctx.
func Context(ctx context.Context, client *http.Client) context.Context {
	return context.WithValue(context.WithoutCancel(ctx), oauth2.HTTPClient, client)
}

// NotMinted says why an x/oauth2 source, or the metadata server, gave no token. What may pass wraps
// driver.ErrUnreachable: the call is tried again. The headers and the HTML of a refusal are left out.
func NotMinted(err error) error {
	if refused, ok := errors.AsType[*oauth2.RetrieveError](err); ok {
		var said struct {
			Error       string `json:"error"`
			Description string `json:"error_description"`
		}
		_ = json.Unmarshal(refused.Body, &said)
		return &Error{Status: refused.Response.StatusCode, Code: said.Error, Message: said.Description, From: "the token endpoint"}
	}
	if refused, ok := errors.AsType[*metadata.Error](err); ok {
		return &Error{Status: refused.Code, Message: refused.Message, From: "the metadata server"}
	}
	if _, none := errors.AsType[metadata.NotDefinedError](err); none {
		return fmt.Errorf("%w: the metadata server knows of no service account: %w", driver.ErrAccessDenied, err)
	}
	return fmt.Errorf("%w: %w", driver.ErrUnreachable, err)
}
