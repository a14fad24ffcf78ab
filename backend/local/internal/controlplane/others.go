package controlplane

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/lambdapool/lambdapool/backend/local/internal/wire"
)

// services are the signing names of what a Lambda serves.
var services = []string{"lambda", "iam", "sts", "logs"}

// routeOthers adds the services whose operations are all a POST to the root, and what
// is left.
func (l *Lambda) routeOthers(mux *http.ServeMux) {
	mux.HandleFunc(linkPattern, l.codes.links.serve)
	mux.HandleFunc("/", l.cfg.Auth.Fallback(UnknownOperation, services...))
	mux.HandleFunc("POST /{$}", func(w http.ResponseWriter, r *http.Request) {
		id := wire.RequestID()
		w.Header().Set("X-Amzn-RequestId", id)
		if l.cfg.Auth.Elsewhere(w, r, id, services) {
			return
		}
		from, body, refused := l.cfg.Auth.Admit(r, wire.MaxRequest, "this", services...)
		switch {
		case refused != nil && r.Header.Get("X-Amz-Target") != "":
			wire.WriteTargetError(w, refused)
		case refused != nil:
			wire.WriteQueryError(w, id, refused)
		case from.Service == "logs":
			l.region(from.Region).logs.Serve(w, r, body)
		case from.Service == "iam":
			wire.ServeQuery(w, id, body, "https://iam.amazonaws.com/doc/2010-05-08/", l.saved(l.iam.Operation))
		case from.Service == "sts":
			wire.ServeQuery(w, id, body, "https://sts.amazonaws.com/doc/2011-06-15/", l.iam.STS(l.cfg.Auth, from.From))
		default:
			UnknownOperation(r).Write(w)
		}
	})
}

// saved has the Lambda keep what operations change.
func (l *Lambda) saved(find func(string) wire.Query) func(string) wire.Query {
	return func(action string) wire.Query {
		serve := find(action)
		if serve == nil || strings.HasPrefix(action, "Get") || strings.HasPrefix(action, "List") {
			return serve
		}
		return func(form url.Values) (any, *wire.Refusal) {
			answer, refused := serve(form)
			if refused == nil {
				refused = l.save()
			}
			return answer, refused
		}
	}
}
