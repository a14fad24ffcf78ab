package faults

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/lambdapool/lambdapool/backend/local/internal/wire"
	"github.com/lambdapool/lambdapool/codec"
)

// Spoil takes an answer's payload and returns what is to be left of it, and how it is to be
// written. r is the request.
func (d *Fate) Spoil(w http.ResponseWriter, r *http.Request, payload []byte) (http.ResponseWriter, []byte) {
	switch {
	case len(payload) == 0:
	case d.Happens(Truncate):
		whole := len(payload)
		payload = payload[:d.dice.IntN(whole)]
		if d.dice.IntN(2) == 0 {
			w = promised{w, whole}
		}
	case d.Happens(Corrupt):
		payload = bytes.Clone(payload)
		for range 1 + d.dice.IntN(3) {
			i, flip := d.dice.IntN(len(payload)), byte(1+d.dice.IntN(255))
			payload[i] ^= flip
		}
	case d.Happens(Slow):
		w = &trickle{ResponseWriter: w, pause: d.in.plan.SlowFor / trickles, wait: d.in.wait, gone: r.Context().Done()}
	}
	return w, payload
}

// ServerError answers as Lambda does when it fails, or the gateways before it,
// whose answers have no code.
func (d *Fate) ServerError(w http.ResponseWriter) *wire.Refusal {
	status := [...]int{
		http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout,
	}[d.dice.IntN(4)]
	if status == http.StatusInternalServerError {
		return &wire.Refusal{Status: status, Code: "ServiceException", Message: "The service encountered an internal error. Please try again later."}
	}
	w.Header().Set("Content-Type", "text/html")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, "<html><h1>"+http.StatusText(status)+"</h1></html>") // the caller may have gone
	return nil
}

// Reset ends the request by resetting its connection. It does not return.
func Reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err == nil {
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // what is not delivered is discarded: RST instead of FIN
		}
		_ = conn.Close()
	}
	panic(http.ErrAbortHandler)
}

// promised declares a longer body than is written. The server closes the
// connection for it.
type promised struct {
	http.ResponseWriter

	length int
}

func (p promised) Write(data []byte) (int, error) {
	p.Header().Set("Content-Length", strconv.Itoa(p.length))
	return p.ResponseWriter.Write(data)
}

// trickles is in how many pieces a slow answer comes.
const trickles = 8

// A trickle writes in pieces, with pauses between.
type trickle struct {
	http.ResponseWriter

	pause time.Duration
	wait  func(time.Duration, <-chan struct{})
	gone  <-chan struct{}
}

func (t *trickle) Write(data []byte) (int, error) {
	rest := data
	for i := range trickles {
		t.wait(t.pause, t.gone)
		piece := rest[:len(rest)/(trickles-i)]
		rest = rest[len(piece):]
		if _, err := t.ResponseWriter.Write(piece); err != nil {
			return len(data) - len(rest), err
		}
		if err := http.NewResponseController(t.ResponseWriter).Flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
			return len(data) - len(rest), err
		}
	}
	return len(data), nil
}

// StaleAnswer is what an agent of another build says to a request: it has the
// function, but with another shape. It is nil for what is no such request.
func StaleAnswer(payload []byte) []byte {
	req, err := codec.DecodeRequest(payload)
	if err != nil || req.Op != codec.OpCall {
		return nil
	}
	const shape = "func(stale.Build) stale.Build"
	answer, err := codec.EncodeReply(&codec.Reply{
		ID:  req.ID,
		Err: &codec.Error{Kind: codec.KindVersionMismatch, Message: shape, Hint: shape},
	})
	if err != nil {
		return nil
	}
	return []byte(`"` + base64.StdEncoding.EncodeToString(answer) + `"`)
}
