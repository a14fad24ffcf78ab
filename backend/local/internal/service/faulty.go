package service

import (
	"net/http"

	"github.com/lambdapool/lambdapool/backend/local/internal/faults"
	"github.com/lambdapool/lambdapool/backend/local/internal/sandbox"
	"github.com/lambdapool/lambdapool/backend/local/internal/wire"
)

// serveFaulty answers a synchronous invocation of fn: well, or as its fate will have it.
func serveFaulty(w http.ResponseWriter, r *http.Request, fn *Function, inv *sandbox.Invocation, tail bool) *wire.Refusal {
	if refused := fn.cfg.Faults.Enter(); refused != nil {
		return refused
	}
	defer fn.cfg.Faults.Leave()
	inv.Fate = fn.cfg.Faults.Call()
	switch d := inv.Fate; {
	case d.Happens(faults.Refuse):
		return d.Refuse()
	case d.Happens(faults.ErrorBefore):
		return d.ServerError(w)
	case d.Happens(faults.ResetBefore):
		faults.Reset(w)
	case d.Is(faults.Stale):
		if payload := faults.StaleAnswer(inv.Payload); payload != nil {
			d.Happens(faults.Stale)
			writeResult(w, inv, sandbox.Result{Payload: payload}, tail)
			return nil
		}
	}
	res := fn.invoke(inv)
	if res.Refused != nil {
		return res.Refused
	}
	return answer(w, r, inv, res, tail)
}

// answer delivers a result, or what is to be left of it.
func answer(w http.ResponseWriter, r *http.Request, inv *sandbox.Invocation, res sandbox.Result, tail bool) *wire.Refusal {
	d := inv.Fate
	switch {
	case d.Happens(faults.ErrorAfter):
		return d.ServerError(w)
	case d.Happens(faults.ResetAfter):
		faults.Reset(w)
	}
	w, res.Payload = d.Spoil(w, r, res.Payload)
	writeResult(w, inv, res, tail)
	return nil
}
