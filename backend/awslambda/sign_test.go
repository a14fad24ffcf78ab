package awslambda_test

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	mathrand "math/rand/v2"
	"net/http"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/google/go-cmp/cmp"

	"github.com/lambdapool/lambdapool/backend/awslambda"
)

// Whatever is signed, and when, is signed as the SDK does it.
func TestSignaturesAreTheSDKs(t *testing.T) {
	const seed = 1
	random := mathrand.New(mathrand.NewPCG(seed, seed))
	pick := func(of ...string) string { return of[random.IntN(len(of))] }
	for range 100 {
		service, region := pick("lambda", "execute-api"), pick("eu-west-1", "us-gov-east-1", "")
		var opts []func(*v4.SignerOptions)
		if random.IntN(4) == 0 {
			opts = append(opts, func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
		}
		if random.IntN(8) == 0 {
			opts = append(opts, func(o *v4.SignerOptions) { o.DisableSessionToken = true })
		}
		sign := awslambda.NewSigner(service, region, opts...)
		url := "https://" + pick("lambda.eu-west-1.amazonaws.com", "127.0.0.1:8080", "[::1]:443") + "/2015-03-31/functions/" +
			pick("algorithms", "arn%3Aaws%3Alambda%3Aeu-west-1%3A123456789012%3Afunction%3Aa", "ü", "") + "/invocations" + pick("", "?Qualifier=live", "?b=2&a=1&a=%20")
		header := http.Header{"Content-Type": {"application/octet-stream"}, "User-Agent": {"x"}}
		for range random.IntN(4) {
			header.Set("X-Amz-"+pick("Log-Type", "Tenant-Id", "Client-Context", "Zzz"), pick("Tail", "  two  words ", "\ncontent-length:1234567\n", "", "é"))
		}
		at := time.Unix(random.Int64N(4e9), random.Int64N(1e9))
		creds := aws.Credentials{AccessKeyID: rand.Text(), SecretAccessKey: rand.Text(), SessionToken: pick("", rand.Text(), rand.Text()+"/+ =")}
		for range 50 {
			switch random.IntN(10) {
			case 0:
				creds.AccessKeyID, creds.SecretAccessKey = rand.Text(), rand.Text()
			case 1:
				creds.SessionToken = rand.Text()
			case 2:
				at = at.Add(time.Duration(random.Int64N(int64(48 * time.Hour))))
			}
			at = at.Add(time.Duration(random.Int64N(int64(time.Minute))))
			request := func() *http.Request {
				r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, http.NoBody)
				if err != nil {
					t.Fatal(err)
				}
				r.Header = header.Clone()
				return r
			}
			ours, theirs := request(), request()
			ours.ContentLength = random.Int64N(7 << 20)
			theirs.ContentLength = ours.ContentLength
			payload := sha256.Sum256([]byte(rand.Text()))
			if err := sign(t.Context(), creds, ours, payload, at, true); err != nil {
				t.Fatal(err)
			}
			if err := v4.NewSigner().SignHTTP(t.Context(), creds, theirs, hex.EncodeToString(payload[:]), service, region, at, opts...); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(theirs.Header, ours.Header); diff != "" {
				t.Fatalf("%s at %v (-SDK +ours):\n%s", url, at, diff)
			}
		}
	}
}

// What the form does not cover is signed by the SDK.
func TestSignerFallsBack(t *testing.T) {
	creds := aws.Credentials{AccessKeyID: "AKID", SecretAccessKey: "secret"}
	at := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	payload := sha256.Sum256(nil)
	for name, tc := range map[string]struct {
		plain  bool
		length int64
		header string
	}{
		"headers of its own": {false, 5, "Event"},
		"no payload":         {true, 0, "Event"},
		"a hostile header":   {true, 5, "a\nx-amz-date:20200101T000000Z\nb"},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://example.com/?b=2&a=1", http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			shared := r.URL
			r.ContentLength = tc.length
			sign := awslambda.NewSigner("lambda", "eu-west-1")
			if err := sign(t.Context(), creds, r, payload, at, true); err != nil { // a form of other headers
				t.Fatal(err)
			}
			r.Header = http.Header{"X-Amz-Invocation-Type": {tc.header}}
			if tc.plain {
				sign = awslambda.NewSigner("lambda", "eu-west-1")
			}
			want := r.Clone(t.Context())
			if err := sign(t.Context(), creds, r, payload, at, tc.plain); err != nil {
				t.Fatal(err)
			}
			if shared.RawQuery != "b=2&a=1" {
				t.Errorf("the URL that other requests share was written to: %s", shared)
			}
			if err := v4.NewSigner().SignHTTP(t.Context(), creds, want, hex.EncodeToString(payload[:]), "lambda", "eu-west-1", at); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want.Header, r.Header); diff != "" {
				t.Errorf("(-SDK +ours):\n%s", diff)
			}
		})
	}
}
