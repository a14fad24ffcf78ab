package objects

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/lambdapool/lambdapool/internal/postform"
)

// A policy is what a form allows. Both clouds write it so. Sources:
// docs.aws.amazon.com/AmazonS3/latest/API/sigv4-HTTPPOSTConstructPolicy.html and
// cloud.google.com/storage/docs/authentication/signatures#policy-document, 2026-11.
type policy struct {
	Expiration time.Time `json:"expiration"`
	Conditions []any     `json:"conditions"`
}

// ignored begins the names of fields that no policy need mention.
const ignored = "x-ignore-"

// fileName stands for the name of the file in a form's fields.
const fileName = "${filename}"

// A Posted is a form to be verified, and then executed: its caller checks the signature of the field policy,
// and has [Posted.Hold] hold the other fields to it.
type Posted struct {
	*postform.Form

	Fields      map[string]string // as they are after the file's name is filled in
	Least, Most int64             // bytes of the file
}

// ReadPosted reads the fields of a form that was sent to a bucket, with a file of at most so many bytes. The
// file is not read.
func ReadPosted(contentType string, body io.Reader, bucket string, most int64) (*Posted, error) {
	read, err := postform.Read(contentType, body)
	if err != nil {
		return nil, err
	}
	f := &Posted{Form: read, Fields: map[string]string{}, Most: most}
	for name, value := range read.Fields {
		if name != "policy" {
			value = strings.ReplaceAll(value, fileName, read.FileName)
		}
		f.Fields[name] = value
	}
	if named, ok := f.Fields["bucket"]; ok && named != bucket {
		return nil, Denied("Invalid according to Policy: the form is for another bucket.")
	}
	f.Fields["bucket"] = bucket
	return f, nil
}

// Hold refuses a field that breaks a condition of the policy, that none mentions though it is not one of
// covered, or that is not served.
func (f *Posted) Hold(now time.Time, covered []string, served func(name string) bool) error {
	var p policy
	document, err := base64.StdEncoding.DecodeString(f.Fields["policy"])
	if err == nil {
		err = json.Unmarshal(document, &p)
	}
	switch {
	case err != nil:
		return Denied("Invalid Policy: " + err.Error())
	case !now.Before(p.Expiration):
		return Denied("Invalid according to Policy: Policy expired.")
	}
	mentioned := map[string]bool{}
	for _, c := range p.Conditions {
		if !f.holds(c, mentioned) {
			return Denied(fmt.Sprintf("Invalid according to Policy: Policy Condition failed: %v", c))
		}
	}
	for name := range f.Fields {
		switch {
		case strings.HasPrefix(name, ignored):
		case !mentioned[name] && !slices.Contains(covered, name):
			return Denied("Invalid according to Policy: Extra input fields: " + name)
		case !served(name):
			return NotServed("forms with the field " + name)
		}
	}
	if f.Fields["key"] == "" {
		return Invalid("InvalidArgument", "Bucket POST must contain a field named 'key'.  If it is specified, please check the order of the fields.")
	}
	return nil
}

// holds judges one condition, and notes what it mentions.
func (f *Posted) holds(condition any, mentioned map[string]bool) bool {
	switch c := condition.(type) {
	case map[string]any:
		for name, want := range c {
			name = strings.ToLower(name)
			mentioned[name] = true
			if value, ok := f.Fields[name]; !ok || value != want {
				return false
			}
		}
		return true
	case []any:
		if len(c) != 3 {
			return false
		}
		if c[0] == "content-length-range" {
			least, number := c[1].(float64)
			most, also := c[2].(float64)
			f.Least, f.Most = max(f.Least, int64(least)), min(f.Most, int64(most))
			return number && also
		}
		name, dollar := strings.CutPrefix(fmt.Sprint(c[1]), "$")
		want, text := c[2].(string)
		name = strings.ToLower(name)
		mentioned[name] = true
		value, there := f.Fields[name]
		return dollar && text && (c[0] == "starts-with" && (there || want == "") && strings.HasPrefix(value, want) || c[0] == "eq" && there && value == want)
	}
	return false
}

// Measured is the file. Reading fails when it has more bytes than the policy allows, or at its end if it has
// less.
func (f *Posted) Measured() io.Reader { return &measured{r: f.File, least: f.Least, most: f.Most} }

type measured struct {
	r           io.Reader
	n           int64
	least, most int64
}

func (m *measured) Read(p []byte) (int, error) {
	n, err := m.r.Read(p)
	m.n += int64(n)
	switch {
	case m.n > m.most:
		return n, Invalid("EntityTooLarge", "Your proposed upload exceeds the maximum allowed size")
	case errors.Is(err, io.EOF) && m.n < m.least:
		return n, Invalid("EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size")
	}
	return n, err
}
