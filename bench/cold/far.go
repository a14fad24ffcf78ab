package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"

	"github.com/lambdapool/lambdapool/backend/local"
	"github.com/lambdapool/lambdapool/bench/internal/wire"
)

// A function is the embedded Lambda's, far away, and nobody has called it.
type function struct {
	*local.Backend

	url   string // of its far end
	far   net.Listener
	mu    sync.Mutex
	conns []net.Conn
}

func open(ctx context.Context) (*function, error) {
	b, err := local.New(local.WithConcurrency(workers), local.WithIsolation(false), local.WithFaults(local.Faults{ColdStart: start}))
	if err != nil {
		return nil, err
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, errors.Join(err, b.Close())
	}
	f := &function{Backend: b, url: "http://" + l.Addr().String(), far: wire.New(l, oneWay)}
	near := b.Endpoint()[len("http://"):]
	go func() {
		for {
			conn, err := f.far.Accept()
			if err != nil {
				return
			}
			go f.carry(ctx, conn, near)
		}
	}()
	return f, nil
}

// carry takes what comes over a connection to the function, and back.
func (f *function) carry(ctx context.Context, conn net.Conn, near string) {
	to, err := new(net.Dialer).DialContext(ctx, "tcp", near)
	if err != nil {
		_ = conn.Close()
		return
	}
	f.mu.Lock()
	f.conns = append(f.conns, conn, to)
	f.mu.Unlock()
	go func() { _, _ = io.Copy(conn, to); _ = conn.Close() }()
	_, _ = io.Copy(to, conn)
	_ = to.Close()
}

// close ends it, and what still goes over the wire.
func (f *function) close() {
	_ = f.far.Close()
	f.mu.Lock()
	for _, c := range f.conns {
		_ = c.Close()
	}
	f.mu.Unlock()
	if err := f.Close(); err != nil {
		panic(fmt.Sprint("close the function: ", err)) // what comes after it would not be measured alone
	}
}
