package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/cloudrun"
	"github.com/lambdapool/lambdapool/deploy/rundeploy"
	"github.com/lambdapool/lambdapool/deploy/shared"
	"github.com/lambdapool/lambdapool/internal/smoke/claims"
	"github.com/lambdapool/lambdapool/internal/smoke/work"
)

// The services' configuration is what the conformance suite wants: it fills three times the memory and waits for the
// timeout.
const (
	agentPackage = "github.com/lambdapool/lambdapool/internal/smoke/agent"
	memory       = 640 // MB
	timeout      = 3 * time.Second
	longTimeout  = time.Minute // of the service whose calls take long
)

// A cloud is where the test runs, and what it has made there. Credentials, project and region are those of
// backend/cloudrun.
type cloud struct {
	name          string // of the service; see plain
	client        *rundeploy.Client
	bucket, queue string
	image         *rundeploy.Artifact
	services      []string // that may have been made
}

// plain is the service of one instance, whose calls may take long.
func (c *cloud) plain() string { return c.name + "-plain" }

// open finds out where we are, and chooses the name. It makes nothing yet. The report says whether it was Google that
// answered: against an endpoint of somebody else the claims prove nothing about Cloud Run.
func open(ctx context.Context, r *claims.Report, bucket, queue string) (*cloud, error) {
	client, err := rundeploy.Open(ctx, rundeploy.Project{})
	if err != nil {
		return nil, err
	}
	r.Began, r.Region, r.Endpoint = time.Now(), client.Project().Region, "Google Cloud"
	if os.Getenv("CLOUDSDK_API_ENDPOINT_OVERRIDES_RUN") != "" {
		r.Endpoint = "another endpoint, not Google"
	}
	return &cloud{name: "lambdapool-smoke-" + strings.ToLower(rand.Text()[:10]), client: client, bucket: bucket, queue: queue}, nil
}

// create makes a service.
func (c *cloud) create(ctx context.Context, name string, s rundeploy.Settings) (*rundeploy.Created, error) {
	s.Memory, s.CPU, s.Concurrency = memory, 1, 1
	c.services = append(c.services, name)
	return c.client.Create(ctx, rundeploy.Spec{Name: name, Artifact: c.image, Settings: s}, rundeploy.CreateOptions{})
}

// backend opens a service. The objects are below a prefix of ours.
func (c *cloud) backend(ctx context.Context, name string, opts ...cloudrun.Option) (*cloudrun.Backend, error) {
	at := c.client.Project()
	all := []cloudrun.Option{
		cloudrun.WithProject(at.ID), cloudrun.WithRegion(at.Region), cloudrun.WithBucket(c.bucket, cloudrun.Prefix(c.name)), cloudrun.WithQueue(c.queue),
	}
	if at.CallAs != "" {
		all = append(all, cloudrun.WithServiceAccount(at.CallAs))
	}
	return cloudrun.New(ctx, name, append(all, opts...)...)
}

// on runs a row with an executor on a service.
func (c *cloud) on(ctx context.Context, name string, row func(*lambdapool.Executor) (string, error), opts ...cloudrun.Option) (string, error) {
	b, err := c.backend(ctx, name, opts...)
	if err != nil {
		return "", err
	}
	defer b.Close() //nolint:errcheck // it never fails
	e, err := lambdapool.New(b, lambdapool.WithTimeout(2*time.Minute))
	if err != nil {
		return "", err
	}
	defer e.Close() //nolint:errcheck // nothing is left in it
	return row(e)
}

// token returns the ID token that the backend sends, whatever the credentials are: its transport is asked for a proxy
// with each request.
func (c *cloud) token(ctx context.Context, opts ...cloudrun.Option) (string, error) {
	var heard atomic.Value
	overhear := cloudrun.WithHTTPTransport(func(t *http.Transport) {
		before := t.Proxy
		t.Proxy = func(r *http.Request) (*url.URL, error) {
			heard.Store(r.Header.Get("Authorization"))
			return before(r)
		}
	})
	_, err := c.on(ctx, c.name, func(e *lambdapool.Executor) (string, error) {
		_, err := lambdapool.Call(ctx, e, work.Square, 2)
		return "", err
	}, append(opts, overhear)...)
	token, _ := heard.Load().(string)
	if token == "" {
		return "", errors.Join(errors.New("no request was sent"), err)
	}
	return token, nil
}

// removeAll deletes the services and the objects, and returns what could not be.
func (c *cloud) removeAll(ctx context.Context) (left []string) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	if err := c.removeObjects(ctx); err != nil {
		left = append(left, fmt.Sprintf("objects below %s/ (%v)", c.name, err))
	}
	for _, name := range c.services {
		if _, err := c.client.Delete(ctx, name, false); err != nil && !errors.Is(err, shared.ErrNotFound) {
			left = append(left, fmt.Sprintf("service %s (%v)", name, err))
		}
	}
	return left
}

// removeObjects deletes what is below our prefix. Without a service nothing was stored.
func (c *cloud) removeObjects(ctx context.Context) error {
	if len(c.services) == 0 {
		return nil
	}
	b, err := c.backend(ctx, c.name)
	if err != nil {
		if errors.Is(err, lambdapool.ErrFunctionNotFound) {
			return nil
		}
		return err
	}
	defer b.Close() //nolint:errcheck // it never fails
	store := b.Store()
	for {
		page, err := store.List(ctx, "", "")
		if err != nil || len(page.Objects) == 0 {
			return err
		}
		keys := make([]string, len(page.Objects))
		for i, o := range page.Objects {
			keys[i] = o.Key
		}
		if err := store.Delete(ctx, keys...); err != nil {
			return err
		}
	}
}
