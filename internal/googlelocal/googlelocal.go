// Package googlelocal is Google Cloud on this machine, for tests: Cloud Run (internal/runlocal), a bucket
// (internal/gcslocal) and a queue (internal/taskslocal) with the same accounts, access tokens and rights, as
// Google has them.
//
// It joins the three and imitates nothing itself. The client that they are held against must never enter it.
package googlelocal

import (
	"cmp"
	"errors"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/lambdapool/lambdapool/internal/gcslocal"
	"github.com/lambdapool/lambdapool/internal/quiet"
	"github.com/lambdapool/lambdapool/internal/runlocal"
	"github.com/lambdapool/lambdapool/internal/taskslocal"
)

// Bucket and Queue are the names of what there is one of. An option may say another bucket.
const (
	Bucket = "payloads"
	Queue  = "lambdapool"
)

// Options is what may be different.
type Options struct {
	Run     runlocal.Options
	Dir     string // where objects are kept; empty: there is no bucket
	Bucket  string // default [Bucket]
	Address string // of the bucket, IP:PORT; empty: any free port of loopback
	Account string // the service account that signs links, by a key or by Google

	Now  func() time.Time                // the bucket's clock; nil: this machine's
	Room func(bytes int64) bool          // whether so many may be stored; nil: always
	Wrap func(http.Handler) http.Handler // what is around all requests to the bucket; nil: nothing

	Backoff   time.Duration        // before the queue's second delivery; 0: what queues have by default
	Duplicate func(id string) bool // which tasks are delivered twice; nil: none
	Drop      func(id string) bool // which are accepted, and never delivered; nil: none
}

// A Cloud is the three. Make it with New and close it.
type Cloud struct {
	*runlocal.Server

	key     []byte
	named   string // the bucket
	bucket  *gcslocal.Server
	queue   *taskslocal.Queue
	name    string // the queue's
	tasks   *http.Server
	url     string // of the queue's API
	deliver *http.Transport
	work    sync.WaitGroup
}

// New starts one. Its caller closes it.
func New(o Options) (_ *Cloud, err error) {
	c := &Cloud{named: cmp.Or(o.Bucket, Bucket), deliver: &http.Transport{MaxIdleConnsPerHost: 32}}
	quiet.Transport(c.deliver)
	if c.Server, err = runlocal.New(o.Run); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.Close())
		}
	}()
	c.name = "projects/" + c.Project() + "/locations/" + c.Region() + "/queues/" + Queue
	if c.key, err = c.KeyFile(o.Account); err != nil {
		return nil, err
	}
	if err := c.serveBucket(o); err != nil {
		return nil, err
	}
	return c, c.serveQueue(o)
}

func (c *Cloud) serveBucket(o Options) error {
	keys, err := c.PublicKeys(o.Account)
	if err != nil || o.Dir == "" {
		return err
	}
	c.bucket, err = gcslocal.Open(gcslocal.Config{
		Dir: o.Dir, Address: o.Address, Buckets: []string{c.named}, Account: o.Account, Keys: keys,
		Token: func(token string) bool { return c.Whose(token) != "" },
		May:   func(token, permission string) bool { return c.May(c.Whose(token), permission, c.named) },
		Now:   o.Now, Room: o.Room, Wrap: o.Wrap,
	})
	if err == nil {
		c.Storage(c.bucket.Endpoint())
	}
	return err
}

func (c *Cloud) serveQueue(o Options) error {
	c.queue = taskslocal.New(taskslocal.Config{
		Queue: c.name,
		Token: func(token string) bool { return c.Whose(token) != "" },
		Denied: func(token, account string) string {
			who := c.Whose(token)
			switch {
			case !c.May(who, "cloudtasks.tasks.create", c.name):
				return `The principal lacks IAM permission "cloudtasks.tasks.create" for the resource "` + c.name + `" (or the resource may not exist).`
			case !c.May(who, "iam.serviceAccounts.actAs", account):
				return `The principal lacks IAM permission "iam.serviceAccounts.actAs" for the resource "` + account + `" (or the resource may not exist).`
			}
			return ""
		},
		Identity:  func(account, audience string) (string, error) { return c.IDToken(account, audience), nil },
		Deliver:   c.deliver,
		Backoff:   cmp.Or(o.Backoff, 100*time.Millisecond),
		Duplicate: o.Duplicate, Drop: o.Drop,
	})
	listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // it lasts as long as the cloud
	if err != nil {
		return err
	}
	c.url = "http://" + listener.Addr().String()
	c.tasks = &http.Server{Handler: c.queue, ReadHeaderTimeout: time.Minute}
	c.work.Go(func() { _ = c.tasks.Serve(listener) })
	return nil
}

// Allow gives an account all that a client needs for service, by its full name: to look it up, to invoke it, to use
// the bucket and the queue, and to read logs.
func (c *Cloud) Allow(email, service string) {
	c.Grant("roles/run.viewer", email, service)
	c.Grant("roles/run.invoker", email, service)
	c.Grant("roles/storage.objectUser", email, c.named)
	c.Grant("roles/cloudtasks.enqueuer", email, c.name)
	c.Grant("roles/iam.serviceAccountUser", email, email)
	c.Grant("roles/logging.viewer", email, "")
}

// Queue is the full name of the queue.
func (c *Cloud) Queue() string { return c.name }

// Key is the file with the key of [Options.Account], as Google hands it out.
func (c *Cloud) Key() []byte { return c.key }

// Wait returns when nothing is left in the queue.
func (c *Cloud) Wait() { c.queue.Wait() }

// Environment has clients find this cloud, but for their credentials.
func (c *Cloud) Environment() map[string]string {
	env := map[string]string{
		"GOOGLE_CLOUD_PROJECT":                             c.Project(),
		"CLOUDSDK_RUN_REGION":                              c.Region(),
		"CLOUDSDK_API_ENDPOINT_OVERRIDES_RUN":              c.URL(),
		"CLOUDSDK_API_ENDPOINT_OVERRIDES_IAMCREDENTIALS":   c.URL(),
		"CLOUDSDK_API_ENDPOINT_OVERRIDES_LOGGING":          c.URL(),
		"CLOUDSDK_API_ENDPOINT_OVERRIDES_ARTIFACTREGISTRY": c.URL(),
		"CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDTASKS":       c.url,
	}
	if c.bucket != nil {
		env["STORAGE_EMULATOR_HOST"] = c.bucket.Endpoint()
	}
	return env
}

// Close ends all of it and waits for that.
func (c *Cloud) Close() error {
	var errs []error
	if c.tasks != nil {
		errs = append(errs, c.tasks.Close())
	}
	if c.queue != nil {
		c.queue.Close()
	}
	errs = append(errs, c.Server.Close())
	if c.bucket != nil {
		errs = append(errs, c.bucket.Close())
	}
	c.work.Wait()
	c.deliver.CloseIdleConnections()
	return errors.Join(errs...)
}
