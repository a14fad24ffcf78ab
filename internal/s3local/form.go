package s3local

import (
	"crypto/hmac"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// A policy is what a form allows. Source:
// docs.aws.amazon.com/AmazonS3/latest/API/sigv4-HTTPPOSTConstructPolicy.html, 2026-11.
type policy struct {
	Expiration time.Time `json:"expiration"`
	Conditions []any     `json:"conditions"`
}

// checkForm checks a form by its policy, which its signature covers.
func (g *guard) checkForm(r *http.Request) *refusal {
	if err := r.ParseMultipartForm(maxForm); err != nil {
		return &refusal{Code: "MalformedPOSTRequest", Message: "The body of your POST request is not well-formed multipart/form-data.", status: http.StatusBadRequest}
	}
	fields := map[string]string{"bucket": strings.Trim(r.URL.Path, "/")}
	for name, values := range r.MultipartForm.Value {
		fields[strings.ToLower(name)] = values[0]
	}
	want, no := g.keys.sign(fields["x-amz-credential"], fields["policy"])
	switch {
	case no != nil:
		return no
	case !hmac.Equal([]byte(want), []byte(fields["x-amz-signature"])):
		return errMismatch
	}
	var p policy
	document, err := base64.StdEncoding.DecodeString(fields["policy"])
	if err == nil {
		err = json.Unmarshal(document, &p)
	}
	switch {
	case err != nil:
		return denied("Invalid Policy: " + err.Error())
	case !g.clock.Now().Before(p.Expiration):
		return denied("Invalid according to Policy: Policy expired.")
	}
	var size int64
	if files := r.MultipartForm.File["file"]; len(files) > 0 {
		size = files[0].Size
	}
	return p.check(fields, size)
}

// check refuses a field that breaks a condition, or that none mentions.
func (p *policy) check(fields map[string]string, size int64) *refusal {
	covered := map[string]bool{"policy": true, "x-amz-signature": true, "bucket": true}
	for _, c := range p.Conditions {
		ok := false
		switch c := c.(type) {
		case map[string]any:
			ok = true
			for name, want := range c {
				name = strings.ToLower(name)
				covered[name] = true
				ok = ok && fields[name] == want
			}
		case []any:
			if len(c) != 3 {
				break
			}
			if c[0] == "content-length-range" {
				least, _ := c[1].(float64)
				most, _ := c[2].(float64)
				ok = float64(size) >= least && float64(size) <= most
				break
			}
			name := strings.ToLower(strings.TrimPrefix(fmt.Sprint(c[1]), "$"))
			covered[name] = true
			want := fmt.Sprint(c[2])
			ok = c[0] == "starts-with" && strings.HasPrefix(fields[name], want) || c[0] == "eq" && fields[name] == want
		}
		if !ok {
			return denied(fmt.Sprintf("Invalid according to Policy: Policy Condition failed: %v", c))
		}
	}
	for name := range fields {
		if !covered[name] && !strings.HasPrefix(name, "x-ignore-") {
			return denied("Invalid according to Policy: Extra input fields: " + name)
		}
	}
	return nil
}
