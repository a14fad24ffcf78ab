package objects

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
)

// A Config is what [Open] needs.
type Config struct {
	Dir     string   // where objects are kept; made if it does not exist
	Address string   // of loopback, IP:PORT; empty: any free port of 127.0.0.1
	Buckets []string // that are there from the beginning

	Now  func() time.Time                // the server's clock; nil: this machine's, without its leaps
	Room func(bytes int64) bool          // whether so many may be stored; nil: always
	Wrap func(http.Handler) http.Handler // what is around all requests; nil: nothing
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
		if CheckBucket(name) != nil {
			return fmt.Errorf("bucket %q: a name is 3 to 63 lower-case letters, digits, dots and hyphens", name)
		}
	}
	return nil
}

// A Server serves the objects of one directory. Safe for concurrent use.
type Server struct {
	endpoint string
	disk     *Disk
	http     *http.Server
}

// maxHeader bounds a request's header, in bytes: nobody has signed it before it is read.
const maxHeader = 64 << 10

// Open begins to serve, by what handler makes. It fails when another process has the directory open. The
// caller closes the Server.
func Open(cfg Config, handler func(*Disk, Clock) http.Handler) (_ *Server, err error) {
	if err := cfg.Check(); err != nil {
		return nil, err
	}
	now := Clock(cfg.Now)
	if now == nil {
		now = Steady()
	}
	disk, err := OpenDisk(cfg.Dir, now, cfg.Room)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, disk.Close())
		}
	}()
	for _, name := range cfg.Buckets {
		if disk.Has(name) == nil {
			continue
		}
		if err := disk.Create(name); err != nil {
			return nil, fmt.Errorf("bucket %q: %w", name, err)
		}
	}
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", cmp.Or(cfg.Address, "127.0.0.1:0"))
	if err != nil {
		return nil, err
	}
	serve := handler(disk, now)
	if cfg.Wrap != nil {
		serve = cfg.Wrap(serve)
	}
	s := &Server{
		endpoint: "http://" + listener.Addr().String(),
		disk:     disk,
		http: &http.Server{
			Handler:           serve,
			ReadHeaderTimeout: time.Minute,
			MaxHeaderBytes:    maxHeader,
			ErrorLog:          log.New(io.Discard, "", 0), // about callers that have gone
		},
	}
	go func() { _ = s.http.Serve(listener) }() // http.ErrServerClosed
	return s, nil
}

// Endpoint returns the URL of the store.
func (s *Server) Endpoint() string { return s.endpoint }

// Read returns an object, or its first limit bytes, to the program that serves it: without a request, and
// so without keys.
func (s *Server) Read(bucket, key string, limit int64) ([]byte, error) {
	o, err := s.disk.Open(bucket, key)
	if err != nil {
		return nil, err
	}
	data := make([]byte, min(o.Size, limit))
	_, err = io.ReadFull(io.NewSectionReader(o, 0, o.Size), data)
	return data, errors.Join(err, o.Close())
}

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
	return errors.Join(err, s.disk.Close())
}
