package runlocal

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// An issuer mints tokens for accounts that it knows, and knows what they may do.
type issuer struct {
	url  string
	life time.Duration
	key  *signingKey

	mu       sync.Mutex
	accounts map[string]*account // by e-mail address
	access   map[string]grant    // by access token
	refresh  map[string]string   // refresh tokens: whose
	bindings map[binding]bool
	attached string // the account of the metadata server
	minted   int    // ID tokens
}

// signIn is the key of gcloud's own client: its secret is public.
var signIn = [2]string{"764086051850.apps.googleusercontent.com", "not-so-secret"}

type account struct {
	email  string
	id     string // what sub says
	key    *signingKey
	person bool

	googles *signingKey // the one that Google keeps, or nil as long as nobody has asked for it
}

// A grant is what an access token stands for.
type grant struct {
	email   string
	expires time.Time
}

func newIssuer(url string, life time.Duration) (*issuer, error) {
	key, err := newKey()
	if err != nil {
		return nil, err
	}
	return &issuer{url: url, life: life, key: key, accounts: map[string]*account{}, access: map[string]grant{}, refresh: map[string]string{}, bindings: map[binding]bool{}}, nil
}

// account returns one, and makes it if it is not there. i.mu is held.
func (i *issuer) account(email string, person bool) *account {
	a := i.accounts[email]
	if a == nil {
		n, _ := rand.Int(rand.Reader, big.NewInt(1e18))
		a = &account{email: email, id: fmt.Sprintf("1%020d", n), person: person}
		i.accounts[email] = a
	}
	return a
}

// ServiceAccount makes a service account.
func (i *issuer) ServiceAccount(email string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.account(email, false)
}

// KeyFile makes a service account with a key, and returns the file that Google would hand out.
func (i *issuer) KeyFile(email string) ([]byte, error) {
	key, err := newKey()
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key.private)
	if err != nil {
		return nil, err
	}
	i.mu.Lock()
	a := i.account(email, false)
	a.key = key
	i.mu.Unlock()
	return json.Marshal(map[string]string{
		"type": "service_account", "project_id": projectOf(email), "private_key_id": key.id,
		"private_key":  string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
		"client_email": email, "client_id": a.id, "token_uri": i.url + "/token",
		"auth_provider_x509_cert_url": i.url + "/oauth2/v1/certs", "universe_domain": "googleapis.com",
	})
}

// projectOf is PROJECT in NAME@PROJECT.iam.gserviceaccount.com.
func projectOf(email string) string {
	_, domain, _ := strings.Cut(email, "@")
	return strings.TrimSuffix(domain, ".iam.gserviceaccount.com")
}

// PersonFile makes a person, and returns what gcloud auth application-default login leaves.
func (i *issuer) PersonFile(email string) []byte {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.account(email, true)
	token := "1//" + rand.Text()
	i.refresh[token] = email
	return encode(map[string]string{
		"type": "authorized_user", "client_id": signIn[0], "client_secret": signIn[1],
		"refresh_token": token, "universe_domain": "googleapis.com",
	})
}

// ImpersonatedFile is what gcloud auth application-default login --impersonate-service-account leaves for who
// has the file source.
func (i *issuer) ImpersonatedFile(source []byte, email string) []byte {
	return encode(map[string]any{
		"type": "impersonated_service_account", "delegates": []string{}, "source_credentials": json.RawMessage(source),
		"service_account_impersonation_url": i.url + "/v1/projects/-/serviceAccounts/" + email + ":generateAccessToken",
	})
}

// AttachAccount has the metadata server speak for a service account.
func (i *issuer) AttachAccount(email string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.account(email, false)
	i.attached = email
}

// AccessToken returns an access token of an account, as gcloud auth print-access-token does.
func (i *issuer) AccessToken(email string) string {
	i.mu.Lock()
	defer i.mu.Unlock()
	token := "ya29." + rand.Text()
	i.access[token] = grant{i.account(email, false).email, time.Now().Add(i.life)}
	return token
}

// IDToken returns an ID token of an account for an audience.
func (i *issuer) IDToken(email, audience string) string { return i.IDTokenFor(email, audience, i.life) }

// IDTokenFor returns one that ends after life, which may be over.
func (i *issuer) IDTokenFor(email, audience string, life time.Duration) string {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.minted++
	a := i.account(email, false)
	now := time.Now()
	return i.key.sign(claims{
		Issuer: i.url, Audience: audience, Subject: a.id, Email: a.email, Verified: true,
		Issued: now.Unix(), Expires: now.Add(life).Unix(),
	})
}

// Minted is how many ID tokens there were.
func (i *issuer) Minted() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.minted
}

// who checks an ID token and returns whose it is.
func (i *issuer) who(token string, audiences []string) (email string, err error) {
	c, err := check(token, time.Now(), func(id string, _ claims) *rsa.PublicKey {
		if id != i.key.id {
			return nil
		}
		return &i.key.private.PublicKey
	})
	if err != nil {
		return "", err
	}
	if c.Issuer != i.url {
		return "", fmt.Errorf("it is issued by %q", c.Issuer)
	}
	if slices.Contains(audiences, c.Audience) {
		return i.bySubject(c.Subject)
	}
	return "", fmt.Errorf("its audience is %q, not one of %q", c.Audience, audiences)
}

func (i *issuer) bySubject(id string) (string, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, a := range i.accounts {
		if a.id == id {
			return a.email, nil
		}
	}
	return "", errors.New("its subject is nobody")
}

// bearer returns whose access token a request has, or "".
func (i *issuer) bearer(r *http.Request) string {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return i.owner(token)
}

// owner returns whose an access token is, or "".
func (i *issuer) owner(token string) string {
	i.mu.Lock()
	defer i.mu.Unlock()
	if g := i.access[token]; time.Now().Before(g.expires) {
		return g.email
	}
	return ""
}
