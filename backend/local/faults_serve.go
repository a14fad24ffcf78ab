package local

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/lambdapool/lambdapool/codec"
)

// serve answers a synchronous invocation of fn: well, or as its fate will have it.
func (f *faults) serve(w http.ResponseWriter, r *http.Request, fn *function, inv *invocation, tail bool) *apiError {
	if refused := f.gate.enter(time.Now()); refused != nil {
		f.counts[FaultThrottle].Add(1)
		return refused
	}
	defer f.gate.leave()
	inv.fate = f.draw()
	switch d := inv.fate; {
	case d.happens(FaultRefuse):
		return d.refuse()
	case d.happens(FaultErrorBefore):
		return d.serverError(w)
	case d.happens(FaultResetBefore):
		reset(w)
	case d.kind == FaultStale:
		if answer := stale(inv.payload); answer != nil {
			d.happens(FaultStale)
			writeResult(w, inv, result{payload: answer}, tail)
			return nil
		}
	}
	res := fn.invoke(inv)
	if res.refused != nil {
		return res.refused
	}
	return inv.fate.answer(w, r, inv, res, tail)
}

// answer delivers a result, or what is to be left of it.
func (d *fate) answer(w http.ResponseWriter, r *http.Request, inv *invocation, res result, tail bool) *apiError {
	switch {
	case d.happens(FaultErrorAfter):
		return d.serverError(w)
	case d.happens(FaultResetAfter):
		reset(w)
	case len(res.payload) == 0:
	case d.happens(FaultTruncate):
		whole := len(res.payload)
		res.payload = res.payload[:d.dice.IntN(whole)]
		if d.dice.IntN(2) == 0 {
			w = promised{w, whole}
		}
	case d.happens(FaultCorrupt):
		res.payload = bytes.Clone(res.payload)
		for range 1 + d.dice.IntN(3) {
			i, flip := d.dice.IntN(len(res.payload)), byte(1+d.dice.IntN(255))
			res.payload[i] ^= flip
		}
	case d.happens(FaultSlow):
		w = &trickle{ResponseWriter: w, pause: d.in.SlowFor / trickles, wait: d.in.wait, gone: r.Context().Done()}
	}
	writeResult(w, inv, res, tail)
	return nil
}

// serverError answers as Lambda does when it fails, or the gateways before it,
// whose answers have no code.
func (d *fate) serverError(w http.ResponseWriter) *apiError {
	status := [...]int{
		http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout,
	}[d.dice.IntN(4)]
	if status == http.StatusInternalServerError {
		return &apiError{status: status, code: "ServiceException", message: "The service encountered an internal error. Please try again later."}
	}
	w.Header().Set("Content-Type", "text/html")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, "<html><h1>"+http.StatusText(status)+"</h1></html>") // the caller may have gone
	return nil
}

// reset ends the request by resetting its connection. It does not return.
func reset(w http.ResponseWriter) {
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

// stale is what an agent of another build says to a request: it has the
// function, but with another shape. It is nil for what is no such request.
func stale(payload []byte) []byte {
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
