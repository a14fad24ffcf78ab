// Package s3local is an object store on this machine, for those who have no S3: the part
// of its API that programs use to store objects, on loopback, with the objects in a
// directory. What was stored is there after the process was killed, whole or not at all;
// it is not forced to the disk, so a power failure may take the last of it.
//
// Requests, links and forms must be signed with the server's key, and are held to what was
// signed: a request is read once, and what was verified is what is executed. What the server
// does not know, in a method, a query or a header, is answered with 501 and changes nothing.
//
// It serves "lambdapool local", and tests that kill it. It is held to what AWS documents, and
// not to what this project happens to ask: the AWS CLI and other SDKs work with it. What it refuses
// to do it says; nothing is accepted and then ignored, because a client could not tell.
//
// It may know S3's API and internal/objects, which keeps the bytes and what every such store
// needs. What lambdapool stores here, its backends and the SDK must never enter it.
//
// A request's way: request.go reads it once, signature.go (form.go for forms, chunked.go for bodies in
// chunks) verifies it, operations.go finds the one operation that it can mean, and the operation's
// function, in the file of its subject, does it. content.go holds the body to what was said of it.
package s3local

import (
	"net/http"
	"time"

	"github.com/lambdapool/lambdapool/internal/objects"
)

// A Config is what [Open] needs.
type Config struct {
	Dir     string   // where objects are kept; made if it does not exist
	Address string   // of loopback, IP:PORT; empty: any free port of 127.0.0.1
	Buckets []string // that are there from the beginning

	AccessKeyID, SecretAccessKey string // that requests are signed with
	SessionToken                 string // that they have, or empty

	Now  func() time.Time                // the server's clock; nil: this machine's, without its leaps
	Room func(bytes int64) bool          // whether so many may be stored; nil: always
	Wrap func(http.Handler) http.Handler // what is around all requests; nil: nothing
}

// common is what every store of this machine needs, whoever's API it speaks.
func (c *Config) common() objects.Config {
	return objects.Config{Dir: c.Dir, Address: c.Address, Buckets: c.Buckets, Now: c.Now, Room: c.Room, Wrap: c.Wrap}
}

// Check says what is wrong with the configuration.
func (c *Config) Check() error {
	common := c.common()
	return common.Check()
}

// A Server serves the objects of one directory. Its Endpoint is what AWS_ENDPOINT_URL_S3 is set to. Safe for
// concurrent use.
type Server struct{ *objects.Server }

// Open begins to serve. It fails when another process has the directory open. The caller
// closes the Server.
func Open(cfg Config) (*Server, error) {
	server, err := objects.Open(cfg.common(), func(disk *objects.Disk, now objects.Clock) http.Handler {
		s := &service{
			disk: disk, keys: keys{cfg.AccessKeyID, cfg.SecretAccessKey, cfg.SessionToken}, clock: now,
			owner: identity{ID: owner, Name: "lambdapool"},
		}
		return &objects.Handler{Clock: now, IDHeader: "x-amz-request-id", IDInside: true, Serve: s.serve}
	})
	if err != nil {
		return nil, err
	}
	return &Server{server}, nil
}

// owner is the canonical id of who owns all there is.
const owner = "0000000000000000000000000000000000000000000000000000000000000000"
