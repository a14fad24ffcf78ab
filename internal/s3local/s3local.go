// Package s3local is an object store on this machine, for those who have no S3: the part
// of its API that lambdapool uses, and some more, on loopback, with the objects in a
// directory. What was stored is there after the process was killed, whole or not at all;
// it is not forced to the disk, so a power failure may take the last of it.
//
// Requests, links and forms must be signed with the server's key, and are held to what was
// signed.
package s3local

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/johannesboyne/gofakes3"
)

// A Config is what [Open] needs.
type Config struct {
	Dir     string   // where objects are kept; made if it does not exist
	Address string   // of loopback, IP:PORT; empty: any free port of 127.0.0.1
	Buckets []string // that are there from the beginning

	AccessKeyID, SecretAccessKey string // that requests are signed with
}

// Check says what is wrong with the configuration.
func (c *Config) Check() error {
	if c.Address != "" {
		addr, err := netip.ParseAddrPort(c.Address)
		switch {
		case err != nil:
			return fmt.Errorf("address %q: %w (it is IP:PORT, such as 127.0.0.1:9000)", c.Address, err)
		case !addr.Addr().IsLoopback():
			return fmt.Errorf("address %q: not on loopback, such as 127.0.0.1:%d", c.Address, addr.Port())
		}
	}
	for _, name := range c.Buckets {
		if gofakes3.ValidateBucketName(name) != nil {
			return fmt.Errorf("bucket %q: a name is 3 to 63 lower-case letters, digits, dots and hyphens", name)
		}
	}
	return nil
}

// A Server serves the objects of one directory. Safe for concurrent use.
type Server struct {
	endpoint string
	disk     *disk
	http     *http.Server
}

// Open begins to serve. It fails when another process has the directory open. The caller
// closes the Server.
func Open(cfg Config) (_ *Server, err error) {
	if err := cfg.Check(); err != nil {
		return nil, err
	}
	clock := clock{time.Now()}
	disk, err := openDisk(cfg.Dir, clock)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, disk.close())
		}
	}()
	for _, name := range cfg.Buckets {
		if err := disk.CreateBucket(name); err != nil && !gofakes3.HasErrorCode(err, gofakes3.ErrBucketAlreadyExists) {
			return nil, fmt.Errorf("bucket %q: %w", name, err)
		}
	}
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", cmp.Or(cfg.Address, "127.0.0.1:0"))
	if err != nil {
		return nil, err
	}
	s := &Server{
		endpoint: "http://" + listener.Addr().String(),
		disk:     disk,
		http: &http.Server{
			Handler:           &guard{gofakes3.New(disk, gofakes3.WithTimeSource(clock)).Server(), keys{cfg.AccessKeyID, cfg.SecretAccessKey}, clock},
			ReadHeaderTimeout: time.Minute,
			ErrorLog:          log.New(io.Discard, "", 0), // about callers that have gone
		},
	}
	go func() { _ = s.http.Serve(listener) }() // http.ErrServerClosed
	return s, nil
}

// Endpoint returns the URL of the store: what AWS_ENDPOINT_URL_S3 is set to.
func (s *Server) Endpoint() string { return s.endpoint }

// shutdownTime is how long Close waits for answers that are under way.
const shutdownTime = 2 * time.Second

// Close frees the port and the directory. What is in it stays.
func (s *Server) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), shutdownTime)
	defer cancel()
	var err error
	if s.http.Shutdown(ctx) != nil {
		err = s.http.Close()
	}
	return errors.Join(err, s.disk.close())
}
