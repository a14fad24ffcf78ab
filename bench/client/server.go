package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"sync/atomic"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/agent"
	"github.com/lambdapool/lambdapool/bench/internal/wire"
)

// serverEnv makes this program the server; its value is a setting, in JSON.
const serverEnv = "LAMBDAPOOL_BENCH_SERVER"

// A setting says where calls spend their time.
type setting struct {
	Think time.Duration // in the server, before it answers
	Wire  time.Duration // on the way there, and again on the way back
}

// A server is the process on the other side.
type server struct {
	url   string
	roots *x509.CertPool
	stdin io.Closer
	cmd   *exec.Cmd

	opened atomic.Int64 // connections, by clients of this process
}

// hello is what the server says about itself, on one line.
type hello struct {
	Addr string
	Root []byte
}

func startServer(ctx context.Context, where setting) (*server, error) {
	env, err := json.Marshal(where)
	if err != nil {
		return nil, err
	}
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, exe) //nolint:gosec // this very program
	cmd.Env = append(os.Environ(), serverEnv+"="+string(env))
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	s := &server{stdin: stdin, cmd: cmd, roots: x509.NewCertPool()}
	line, err := bufio.NewReader(stdout).ReadBytes('\n')
	if err != nil {
		s.stop()
		return nil, fmt.Errorf("the server did not start: %w", err)
	}
	var h hello
	if err := json.Unmarshal(line, &h); err != nil {
		s.stop()
		return nil, err
	}
	cert, err := x509.ParseCertificate(h.Root)
	if err != nil {
		s.stop()
		return nil, err
	}
	s.roots.AddCert(cert)
	s.url = "https://" + h.Addr
	return s, nil
}

// stop ends the server, which goes when its standard input does.
func (s *server) stop() {
	_ = s.stdin.Close()
	_ = s.cmd.Wait()
}

// serve answers invocations until in ends.
func serve(in io.Reader, out io.Writer) {
	var where setting
	if err := json.Unmarshal([]byte(os.Getenv(serverEnv)), &where); err != nil {
		log.Fatal(err)
	}
	chain, root, err := certificates()
	if err != nil {
		log.Fatal(err)
	}
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	if where.Wire > 0 {
		l = wire.New(l, where.Wire)
	}
	srv := &http.Server{
		Handler:           answer(where.Think),
		ErrorLog:          log.New(io.Discard, "", 0), // connections that a client throws away
		ReadHeaderTimeout: time.Minute,
		TLSConfig:         &tls.Config{Certificates: []tls.Certificate{chain}, MinVersion: tls.VersionTLS12},
		TLSNextProto:      map[string]func(*http.Server, *tls.Conn, http.Handler){}, // HTTP/1.1 only
	}
	go func() {
		if err := srv.ServeTLS(l, "", ""); !errors.Is(err, http.ErrServerClosed) {
			log.Fatal(err)
		}
	}()
	if err := json.NewEncoder(out).Encode(hello{Addr: l.Addr().String(), Root: root}); err != nil {
		log.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, in)
	_ = srv.Close()
}

// answer runs the agent's half of a call, after think.
func answer(think time.Duration) http.HandlerFunc {
	handler := agent.NewHandler(lambdapool.DefaultRegistry)
	tail := base64.StdEncoding.EncodeToString([]byte("START RequestId: 11111111-2222-3333-4444-555555555555 Version: $LATEST\n" +
		"END RequestId: 11111111-2222-3333-4444-555555555555\n" +
		"REPORT RequestId: 11111111-2222-3333-4444-555555555555\tDuration: 1.23 ms\tBilled Duration: 2 ms\tMemory Size: 128 MB\tMax Memory Used: 30 MB\t\n"))
	return func(w http.ResponseWriter, r *http.Request) {
		payload, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		if think > 0 {
			select {
			case <-time.After(think):
			case <-r.Context().Done():
				return
			}
		}
		reply, err := handler.Invoke(r.Context(), payload)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		h := w.Header()
		h.Set("X-Amzn-Requestid", "11111111-2222-3333-4444-555555555555")
		h.Set("X-Amz-Executed-Version", "$LATEST")
		h.Set("X-Amz-Log-Result", tail)
		h.Set("Content-Type", "application/octet-stream")
		_, _ = w.Write(reply)
	}
}

// certificates returns the chain of a server on 127.0.0.1, for one day, and the root
// that it ends in, as AWS's endpoints have them: the server sends its own and an
// intermediate one, all keys are RSA with 2048 bits. That decides what a new connection
// costs both sides.
func certificates() (chain tls.Certificate, root []byte, err error) {
	var issuer *x509.Certificate
	var issuerKey *rsa.PrivateKey
	for i := range int64(3) {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			return chain, nil, err
		}
		cert := &x509.Certificate{
			SerialNumber: big.NewInt(i + 1), Subject: pkix.Name{CommonName: []string{"root", "intermediate", "server"}[i]},
			NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
			IsCA: i < 2, BasicConstraintsValid: true,
		}
		if i == 2 {
			cert.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
		}
		if issuer == nil {
			issuer, issuerKey = cert, key
		}
		der, err := x509.CreateCertificate(rand.Reader, cert, issuer, &key.PublicKey, issuerKey)
		if err != nil {
			return chain, nil, err
		}
		if i == 0 {
			root = der
		} else {
			chain.Certificate = append([][]byte{der}, chain.Certificate...)
		}
		chain.PrivateKey, issuer, issuerKey = key, cert, key
	}
	return chain, root, nil
}
