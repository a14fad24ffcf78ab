// Package gcslocal is a Google Cloud Storage on this machine, for tests: the part of its XML API that programs
// use to store objects, on loopback, with the objects in a directory. It is the other dialect of what
// internal/s3local speaks; both serve what internal/objects keeps.
//
// Requests have an access token; links and forms must be signed by the service account, and are held to what
// was signed: a request is read once, and what was verified is what is executed. What the server does not
// know, in a method, a query or a header, is answered with 501 and changes nothing. Where Google's
// documentation is silent it takes the stricter of two answers.
//
// It may know internal/objects. The client that it is held against must never enter it: what both were wrong
// about, no test would see.
package gcslocal

import (
	"crypto/rsa"
	"net/http"
	"time"

	"github.com/lambdapool/lambdapool/internal/objects"
)

// A Config is what [Open] needs.
type Config struct {
	Dir     string   // where objects are kept; made if it does not exist
	Address string   // of loopback, IP:PORT; empty: any free port of 127.0.0.1
	Buckets []string // that are there; requests make none

	Account string                              // the email of the service account that signs
	Keys    []*rsa.PublicKey                    // that it signs with, its own and Google's
	Token   func(token string) bool             // whether an access token is good
	May     func(token, permission string) bool // whether its owner may do that in the buckets; nil: everything

	Now  func() time.Time                // the server's clock; nil: this machine's, without its leaps
	Room func(bytes int64) bool          // whether so many may be stored; nil: always
	Wrap func(http.Handler) http.Handler // what is around all requests; nil: nothing
}

// A Server serves the objects of one directory. Safe for concurrent use.
type Server struct{ *objects.Server }

// Open begins to serve. It fails when another process has the directory open. The caller closes the Server.
func Open(cfg Config) (*Server, error) {
	common := objects.Config{Dir: cfg.Dir, Address: cfg.Address, Buckets: cfg.Buckets, Now: cfg.Now, Room: cfg.Room, Wrap: cfg.Wrap}
	server, err := objects.Open(common, func(disk *objects.Disk, now objects.Clock) http.Handler {
		s := &service{disk: disk, clock: now, account: account{cfg.Account, cfg.Keys}, token: cfg.Token, may: cfg.May}
		return &objects.Handler{Clock: now, IDHeader: "X-Guploader-Uploadid", Serve: s.serve}
	})
	if err != nil {
		return nil, err
	}
	return &Server{server}, nil
}

// A service does what requests ask for: with a token, by a link, or by a form.
type service struct {
	disk    *objects.Disk
	clock   objects.Clock
	account account
	token   func(string) bool
	may     func(token, permission string) bool
}

func (s *service) serve(w http.ResponseWriter, r *http.Request) error {
	err := s.serveParsed(w, r)
	if err == nil {
		return nil
	}
	f := *objects.FailureOf(err)
	f.Resource = "" // Google does not say it there
	if f.Code == "NoSuchKey" {
		f.Details = "No such object: " + r.URL.Path
	}
	return &f
}

func (s *service) serveParsed(w http.ResponseWriter, r *http.Request) error {
	q, err := parse(r)
	if err != nil {
		return err
	}
	if objects.IsForm(r) && !q.linked {
		return s.postObject(w, q)
	}
	if err := s.verify(q); err != nil {
		return err
	}
	o, err := q.operation()
	if err != nil {
		return err
	}
	return o.serve(s, w, q)
}
