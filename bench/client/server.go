package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
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
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/agent"
)

// serverEnv makes this program the server; its value is the latency.
const serverEnv = "LAMBDAPOOL_BENCH_SERVER"

// A server is the process on the other side.
type server struct {
	url   string
	roots *x509.CertPool
	stdin io.Closer
	cmd   *exec.Cmd
}

// hello is what the server says about itself, on one line.
type hello struct {
	Addr string
	Cert []byte
}

func startServer(ctx context.Context, latency time.Duration) (*server, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, exe) //nolint:gosec // this very program
	cmd.Env = append(os.Environ(), serverEnv+"="+latency.String())
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
	cert, err := x509.ParseCertificate(h.Cert)
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
	latency, err := time.ParseDuration(os.Getenv(serverEnv))
	if err != nil {
		log.Fatal(err)
	}
	cert, err := certificate()
	if err != nil {
		log.Fatal(err)
	}
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	srv := &http.Server{
		Handler:           answer(latency),
		ErrorLog:          log.New(io.Discard, "", 0), // connections that a client throws away
		ReadHeaderTimeout: time.Minute,
		TLSConfig:         &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12},
		TLSNextProto:      map[string]func(*http.Server, *tls.Conn, http.Handler){}, // HTTP/1.1 only
	}
	go func() {
		if err := srv.ServeTLS(l, "", ""); !errors.Is(err, http.ErrServerClosed) {
			log.Fatal(err)
		}
	}()
	if err := json.NewEncoder(out).Encode(hello{Addr: l.Addr().String(), Cert: cert.Certificate[0]}); err != nil {
		log.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, in)
	_ = srv.Close()
}

// answer runs the agent's half of a call, after the latency.
func answer(latency time.Duration) http.HandlerFunc {
	handler := agent.NewHandler(lambdapool.DefaultRegistry)
	tail := base64.StdEncoding.EncodeToString([]byte("START RequestId: 11111111-2222-3333-4444-555555555555 Version: $LATEST\n" +
		"END RequestId: 11111111-2222-3333-4444-555555555555\n" +
		"REPORT RequestId: 11111111-2222-3333-4444-555555555555\tDuration: 1.23 ms\tBilled Duration: 2 ms\tMemory Size: 128 MB\tMax Memory Used: 30 MB\t\n"))
	return func(w http.ResponseWriter, r *http.Request) {
		payload, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		select {
		case <-time.After(latency):
		case <-r.Context().Done():
			return
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

// certificate is for 127.0.0.1 and one day. Its key is RSA with 2048 bits, as
// the keys of AWS's endpoints are: it decides what a new connection costs.
func certificate() (tls.Certificate, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}
