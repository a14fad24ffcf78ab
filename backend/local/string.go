package local

import "fmt"

// String names the Backend, and nothing of what is in it: a program that prints
// its variables must not print a key.
func (b *Backend) String() string {
	return fmt.Sprintf("embedded Lambda %s at %s", b.cfg.name, b.endpoint)
}

// GoString is [Backend.String], for %#v.
func (b *Backend) GoString() string { return b.String() }

// String names the Server, and nothing of what is in it.
func (s *Server) String() string { return "embedded Lambda at " + s.endpoint }

// GoString is [Server.String], for %#v.
func (s *Server) GoString() string { return s.String() }
