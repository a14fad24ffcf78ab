package awslambda

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/smithy-go/logging"
)

// A signer signs the requests of a template. The SDK's own signer does it, once a day and whenever
// the credentials change: it writes the canonical request and the header of a probe. Of these only
// the length, the hash of the payload and the time differ from call to call, so that they are filled
// in for each of them. That costs a tenth of the allocations. Whatever a form does not cover is
// signed by the SDK.
type signer struct {
	sdk     *v4.Signer
	service string // signing name
	region  string // signing region
	options []func(*v4.SignerOptions)

	form atomic.Pointer[form] // the last one
}

// sign signs r, whose payload is known by its hash. plain says that its headers are the template's.
// values are for the form's use, as long as anybody reads r. The URL that r has is not written to.
func (s *signer) sign(ctx context.Context, creds aws.Credentials, r *http.Request, payload [sha256.Size]byte, at time.Time, plain bool, values *signature) error {
	if plain && r.ContentLength > 0 {
		f := s.form.Load()
		var day [len(dayFormat)]byte
		at.UTC().AppendFormat(day[:0], dayFormat)
		if f == nil || f.day != string(day[:]) || !f.creds.same(creds) {
			f = s.newForm(ctx, creds, r, string(day[:]))
			s.form.Store(f)
		}
		if f.works {
			f.sign(r, payload, at, values)
			return nil
		}
	}
	// The SDK writes into the URL, which all requests of a template share.
	u := *r.URL
	r.URL = &u
	return s.sdk.SignHTTP(ctx, creds, r, hex.EncodeToString(payload[:]), s.service, s.region, at, s.options...)
}

// probeLength is a length that is found again.
const probeLength = 1234567

// How Signature Version 4 writes times, and its name:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
const (
	dayFormat  = "20060102"
	timeFormat = "20060102T150405Z"
	algorithm  = "AWS4-HMAC-SHA256"
)

// A form is what the signatures of one day have in common.
type form struct {
	day   string
	creds keys
	works bool // otherwise the SDK signs

	canonical     [3]string // before the length, the time and the hash
	scope         string
	token         []string // the header's value; nil: none
	authorization string   // the header's value, but for the signature
	scratch       sync.Pool
}

// keys are the parts of credentials that go into a signature.
type keys struct{ id, secret, token string }

func (k keys) same(c aws.Credentials) bool {
	return k.id == c.AccessKeyID && k.secret == c.SecretAccessKey && k.token == c.SessionToken
}

// A scratch is what signing one request needs.
type scratch struct {
	mac hash.Hash
	buf []byte
	sum [sha256.Size]byte
}

// newForm has the SDK sign a probe of r on that day, and takes it to pieces. A form that does not
// sign the probe as the SDK did does not work.
func (s *signer) newForm(ctx context.Context, creds aws.Credentials, r *http.Request, day string) *form {
	f := &form{day: day, creds: keys{creds.AccessKeyID, creds.SecretAccessKey, creds.SessionToken}}
	at, err := time.Parse(dayFormat, day)
	if err != nil {
		return f
	}
	probe := r.Clone(ctx)
	probe.ContentLength = probeLength
	payload := sha256.Sum256([]byte("probe"))
	var canonical canonicalRequest
	watched := false // by the user, who wants to see each signature being made
	options := append(slices.Clip(s.options), func(o *v4.SignerOptions) {
		watched = o.LogSigning
		o.LogSigning, o.Logger = true, &canonical
	})
	sum := hex.EncodeToString(payload[:])
	if s.sdk.SignHTTP(ctx, creds, probe, sum, s.service, s.region, at, options...) != nil || watched {
		return f
	}
	const length, date = "\ncontent-length:", "\nx-amz-date:"
	first, rest, found := strings.Cut(string(canonical), length+strconv.Itoa(probeLength)+"\n")
	second, rest, dated := strings.Cut("\n"+rest, date+at.Format(timeFormat)+"\n")
	third, hashed := strings.CutSuffix("\n"+rest, sum)
	signed := probe.Header.Get("Authorization")
	before, _, named := strings.Cut(signed, "Signature=")
	if !found || !dated || !hashed || !named {
		return f
	}
	f.canonical = [3]string{first + length, second + date, third}
	f.authorization = before + "Signature="
	f.scope = day + "/" + s.region + "/" + s.service + "/aws4_request"
	f.token = probe.Header["X-Amz-Security-Token"]
	key := []byte("AWS4" + creds.SecretAccessKey)
	for part := range strings.SplitSeq(f.scope, "/") {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(part))
		key = mac.Sum(nil)
	}
	f.scratch.New = func() any { return &scratch{mac: hmac.New(sha256.New, key)} }
	clear(probe.Header)
	f.sign(probe, payload, at, new(signature))
	f.works = probe.Header.Get("Authorization") == signed
	return f
}

// A signature is the values of the headers that a form sets.
type signature [2]string

// sign sets the headers that make r signed. They lie in values from then on.
func (f *form) sign(r *http.Request, payload [sha256.Size]byte, at time.Time, values *signature) {
	s := f.scratch.Get().(*scratch)
	defer f.scratch.Put(s)
	var date [len(timeFormat)]byte
	at.UTC().AppendFormat(date[:0], timeFormat)

	b := append(s.buf[:0], f.canonical[0]...)
	b = strconv.AppendInt(b, r.ContentLength, 10)
	b = append(b, f.canonical[1]...)
	b = append(b, date[:]...)
	b = append(b, f.canonical[2]...)
	b = hex.AppendEncode(b, payload[:])
	request := sha256.Sum256(b)

	b = append(b[:0], algorithm+"\n"...)
	b = append(b, date[:]...)
	b = append(b, '\n')
	b = append(b, f.scope...)
	b = append(b, '\n')
	b = hex.AppendEncode(b, request[:])
	s.mac.Reset()
	s.mac.Write(b)

	b = append(b[:0], date[:]...)
	b = append(b, f.authorization...)
	b = hex.AppendEncode(b, s.mac.Sum(s.sum[:0]))
	both := string(b)
	*values = signature{both[:len(date)], both[len(date):]}
	r.Header["X-Amz-Date"], r.Header["Authorization"] = values[:1:1], values[1:]
	if f.token != nil {
		r.Header["X-Amz-Security-Token"] = f.token
	}
	s.buf = b
}

// A canonicalRequest hears of it from the SDK's signer.
type canonicalRequest string

func (c *canonicalRequest) Logf(_ logging.Classification, _ string, values ...any) {
	if len(values) > 0 {
		text, _ := values[0].(string)
		*c = canonicalRequest(text)
	}
}
