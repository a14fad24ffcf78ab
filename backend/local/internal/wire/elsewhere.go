package wire

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// Fallback answers what no operation of services is at: a request for another service hears
// that there is none, one for an operation that is not served what unknown says of it.
func (a *Authenticator) Fallback(unknown func(*http.Request) *Refusal, services ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		id := RequestID()
		w.Header().Set("X-Amzn-RequestId", id)
		w.Header().Set("X-Amz-Request-Id", id)
		if a.Elsewhere(w, r, id, services) {
			return
		}
		_, _, refused := a.Admit(r, MaxRequest, "this", services...)
		if refused == nil {
			refused = unknown(r)
		}
		refused.Write(w)
	}
}

// Elsewhere answers a request that is meant for another service, in a form that its
// clients understand, and reports whether it is. Its body is not read.
func (a *Authenticator) Elsewhere(w http.ResponseWriter, r *http.Request, id string, services []string) bool {
	service := serviceOf(r)
	if service == "" || slices.Contains(services, service) {
		return false
	}
	e := errNoService(service, services)
	switch {
	case service == "s3":
		type s3Error struct {
			XMLName       struct{} `xml:"Error"`
			Code, Message string
			RequestID     string `xml:"RequestId"`
		}
		writeXML(w, e.Status, s3Error{Code: e.Code, Message: e.Message, RequestID: id})
	case r.Header.Get("X-Amz-Target") != "":
		WriteTargetError(w, e)
	case strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded"):
		WriteQueryError(w, id, e)
	default:
		e.Write(w)
	}
	return true
}

// serviceOf returns the signing name of the service that a request is for, as far as it
// says so: in its signature, in a link's, or in the name of its host.
func serviceOf(r *http.Request) string {
	for _, said := range []string{r.Header.Get("Authorization"), r.URL.Query().Get("X-Amz-Credential")} {
		_, after, found := strings.Cut(said, "Credential=")
		if !found {
			after = said
		}
		credential, _, _ := strings.Cut(after, ",")
		if scope := strings.Split(credential, "/"); len(scope) == 5 {
			return scope[3]
		}
	}
	host := r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return ""
	}
	for label := range strings.SplitSeq(host, ".") {
		if label == "s3" || strings.HasPrefix(label, "s3-") {
			return "s3"
		}
	}
	return ""
}

func errNoService(service string, services []string) *Refusal {
	hint := ""
	if service == "s3" {
		hint = "; if there is a bucket beside it, AWS_ENDPOINT_URL_S3 says where"
	}
	return &Refusal{
		Status: http.StatusNotImplemented, Code: "NotImplemented",
		Message: "lambdapool: local: there is no such service here: " + service + " (this endpoint serves " + strings.Join(services, ", ") + hint + ")",
	}
}
