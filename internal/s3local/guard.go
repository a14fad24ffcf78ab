package s3local

import (
	"encoding/xml"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// A guard lets in what is signed with the key, as S3 does: in a header, in the query of a
// link, or in a form. Signature version 2 is too old for it.
type guard struct {
	next  http.Handler
	keys  keys
	clock clock
}

// A refusal is S3's answer to what is not let in.
type refusal struct {
	XMLName xml.Name `xml:"Error"`
	Code    string   `xml:"Code"`
	Message string   `xml:"Message"`

	status int
}

func denied(message string) *refusal {
	return &refusal{Code: "AccessDenied", Message: message, status: http.StatusForbidden}
}

var errMismatch = &refusal{
	Code: "SignatureDoesNotMatch", Message: "The request signature we calculated does not match the signature you provided.",
	status: http.StatusForbidden,
}

const amzDate = "20060102T150405Z"

// early is how far a signature may be of the future. Source:
// docs.aws.amazon.com/AmazonS3/latest/API/RESTAuthentication.html, 2026-11.
const early = 15 * time.Minute

// maxForm is how much of a form is held in memory; the rest goes to temporary files.
const maxForm = 1 << 20

func (g *guard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Date", g.clock.Now().UTC().Format(http.TimeFormat))
	no := g.check(r)
	if r.MultipartForm != nil {
		defer func() { _ = r.MultipartForm.RemoveAll() }() // temporary files
	}
	if no == nil {
		g.next.ServeHTTP(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(no.status)
	_ = xml.NewEncoder(w).Encode(no) // whoever is not there any more needs no answer
}

func (g *guard) check(r *http.Request) *refusal {
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch query := r.URL.Query(); {
	case query.Has("X-Amz-Signature"):
		return g.checkLink(r)
	case query.Has("AWSAccessKeyId"):
		return denied("The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.")
	case r.Header.Get("Authorization") != "":
		return g.checkHeader(r)
	case r.Method == http.MethodPost && kind == "multipart/form-data":
		return g.checkForm(r)
	}
	return denied("Access Denied.")
}

// checkLink checks a pre-signed URL. Source:
// docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html, 2026-11.
func (g *guard) checkLink(r *http.Request) *refusal {
	query := r.URL.Query()
	at, err := time.Parse(amzDate, query.Get("X-Amz-Date"))
	seconds, notNumber := strconv.Atoi(query.Get("X-Amz-Expires"))
	switch {
	case err != nil || notNumber != nil:
		return &refusal{Code: "AuthorizationQueryParametersError", Message: "X-Amz-Date and X-Amz-Expires are needed.", status: http.StatusBadRequest}
	case g.clock.Since(at) > time.Duration(seconds)*time.Second:
		return denied("Request has expired")
	case g.clock.Since(at) < -early:
		return denied("Request is not valid yet")
	}
	return g.keys.check(r, signature{
		credential: query.Get("X-Amz-Credential"), date: query.Get("X-Amz-Date"), headers: query.Get("X-Amz-SignedHeaders"),
		hash: "UNSIGNED-PAYLOAD", value: query.Get("X-Amz-Signature"),
	})
}

// checkHeader checks an Authorization header. The server behind checks its time. Source:
// docs.aws.amazon.com/AmazonS3/latest/API/sigv4-auth-using-authorization-header.html, 2026-11.
func (g *guard) checkHeader(r *http.Request) *refusal {
	s := signature{date: r.Header.Get("X-Amz-Date"), hash: r.Header.Get("X-Amz-Content-Sha256")}
	fields, ok := strings.CutPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 ")
	if !ok || s.date == "" || s.hash == "" {
		return denied("The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.")
	}
	for field := range strings.SplitSeq(fields, ",") {
		switch name, value, _ := strings.Cut(strings.TrimSpace(field), "="); name {
		case "Credential":
			s.credential = value
		case "SignedHeaders":
			s.headers = value
		case "Signature":
			s.value = value
		}
	}
	if no := g.keys.check(r, s); no != nil {
		return no
	}
	switch {
	case s.hash == "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", s.hash == "UNSIGNED-PAYLOAD": // the server behind knows them
	case strings.HasPrefix(s.hash, "STREAMING-"):
		return &refusal{Code: "NotImplemented", Message: "lambdapool: this store takes no trailers: send the checksum as a header.", status: http.StatusNotImplemented}
	default:
		r.Body = newSummed(r.Body, s.hash)
	}
	return nil
}
