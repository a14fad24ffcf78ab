package soak_test

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/lambdapool/lambdapool/backend"
	"github.com/lambdapool/lambdapool/backend/cloudrun"
	"github.com/lambdapool/lambdapool/internal/gcslocal"
	"github.com/lambdapool/lambdapool/internal/googlelocal"
	"github.com/lambdapool/lambdapool/internal/runlocal"
)

const googleAccount = "client@local-project.iam.gserviceaccount.com"

// A googleCloud is what Google's stand-ins say of themselves, in one line.
type googleCloud struct {
	Environment map[string]string // of clients
	Key         []byte            // the file of the account's key
}

func (p *part) googleCloud() (c googleCloud, err error) {
	err = json.Unmarshal([]byte(p.Cloud), &c)
	return c, err
}

// google is Cloud Run and Cloud Tasks; the agents in its containers are copies of this executable. The bucket is
// another process.
func (p *part) google() error {
	env := map[string]string{ledgerVariable: p.Ledger, "LAMBDAPOOL_TIMEOUT": functionTimeout.String(), "LAMBDAPOOL_CPU": "1", "LAMBDAPOOL_CONCURRENCY": "1"}
	if p.Mortal > 0 {
		env[mortalVariable] = p.Mortal.String()
	}
	if err := os.Unsetenv(partVariable); err != nil {
		return err
	}
	c, err := googlelocal.New(googlelocal.Options{
		Run:     runlocal.Options{Images: map[string]string{"agent": ""}, Output: os.Stderr},
		Account: googleAccount, Backoff: 100 * time.Millisecond,
		Duplicate: func(id string) bool { return strings.HasSuffix(id, "0") }, // of a hash in hexadecimal
	})
	if err != nil {
		return err
	}
	service := runlocal.Agents("agent", env)
	template := service["template"].(map[string]any)
	template["timeout"], template["maxInstanceRequestConcurrency"] = functionTimeout.String(), 1
	template["scaling"] = map[string]int{"maxInstanceCount": agents}
	name, err := c.Deploy(context.Background(), "agents", service)
	if err == nil {
		c.Allow(googleAccount, name)
		var said []byte
		if said, err = json.Marshal(googleCloud{c.Environment(), c.Key()}); err == nil {
			tell(string(said))
			_, err = io.Copy(io.Discard, os.Stdin)
		}
	}
	return errors.Join(err, c.Close())
}

// googleStore serves Cloud Storage. It takes every access token that looks like one: who has made it is another process.
func (p *part) googleStore() error {
	c, err := p.googleCloud()
	if err != nil {
		return err
	}
	public, err := publicKey(c.Key)
	if err != nil {
		return err
	}
	return p.serveStore(func(now func() time.Time, room func(int64) bool) (store, error) {
		return gcslocal.Open(gcslocal.Config{
			Dir: p.Dir, Address: p.Address, Buckets: []string{bucketName}, Account: googleAccount, Keys: []*rsa.PublicKey{public},
			Token: func(token string) bool { return strings.HasPrefix(token, "ya29.") }, Now: now, Room: room,
		})
	})
}

// publicKey reads that of the key that Google hands out.
func publicKey(file []byte) (*rsa.PublicKey, error) {
	var f struct {
		Key string `json:"private_key"`
	}
	if err := json.Unmarshal(file, &f); err != nil {
		return nil, err
	}
	block, _ := pem.Decode([]byte(f.Key))
	if block == nil {
		return nil, errors.New("the key is not PEM")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	return &key.(*rsa.PrivateKey).PublicKey, nil
}

func (p *part) onGoogle(ctx context.Context) (backend.Backend, error) {
	c, err := p.googleCloud()
	if err != nil {
		return nil, err
	}
	key := p.Out + ".key.json"
	if err := os.MkdirAll(filepath.Dir(key), 0o700); err != nil {
		return nil, err
	}
	if err := os.WriteFile(key, c.Key, 0o600); err != nil {
		return nil, err
	}
	c.Environment["GOOGLE_APPLICATION_CREDENTIALS"] = key
	for name, value := range c.Environment {
		if err := os.Setenv(name, value); err != nil {
			return nil, err
		}
	}
	return cloudrun.New(ctx, "agents", cloudrun.WithQueue(googlelocal.Queue),
		cloudrun.WithBucket(bucketName, cloudrun.BucketEndpoint("http://"+p.Store), cloudrun.Threshold(p.Stored)))
}
