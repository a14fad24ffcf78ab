package awslambda_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/awslambda"
)

// answers is an HTTP client that gives them in turn.
type answers struct {
	t       *testing.T
	script  []any // a status with its error code, such as "412 PreconditionFailed", or an error
	object  string
	puts    int
	headers []http.Header
}

func (a *answers) Do(r *http.Request) (*http.Response, error) {
	respond := func(status int, body string) *http.Response {
		return &http.Response{
			StatusCode: status, Header: http.Header{"Content-Length": {strconv.Itoa(len(body))}}, Request: r,
			ContentLength: int64(len(body)), Body: io.NopCloser(strings.NewReader(body)),
		}
	}
	if r.Method == http.MethodGet {
		return respond(http.StatusOK, a.object), nil
	}
	a.headers = append(a.headers, r.Header)
	if body, err := io.ReadAll(r.Body); err != nil || string(body) != "manifest" {
		a.t.Errorf("try %d sends %q, %v", a.puts+1, body, err)
	}
	if a.puts >= len(a.script) {
		a.t.Fatal("tried once more")
	}
	next := a.script[a.puts]
	a.puts++
	if err, ok := next.(error); ok {
		return nil, err
	}
	var status int
	var code string
	if _, err := fmt.Sscan(next.(string)+" -", &status, &code); err != nil {
		a.t.Fatal(err)
	}
	body := ""
	if status != http.StatusOK {
		body = "<Error><Code>" + code + "</Code><Message>m</Message></Error>"
	}
	return respond(status, body), nil
}

// Create is tried again like anything else, and still tells who came first.
func TestBucketCreate(t *testing.T) {
	lost := errors.New("connection reset by peer")
	for name, tt := range map[string]struct {
		script []any
		object string // that is there in the end
		exists bool
		fails  string
	}{
		"created":                   {script: []any{"200"}},
		"there before":              {script: []any{"412 PreconditionFailed"}, object: "manifest", exists: true},
		"another one at it":         {script: []any{"409 ConditionalRequestConflict", "200"}},
		"another one wins":          {script: []any{"409 ConditionalRequestConflict", "412 PreconditionFailed"}, object: "manifest", exists: true},
		"500, but done":             {script: []any{"500 InternalError", "412 PreconditionFailed"}, object: "manifest"},
		"500, and another one":      {script: []any{"500 InternalError", "412 PreconditionFailed"}, object: "manifesT", exists: true},
		"longer one":                {script: []any{"500 InternalError", "412 PreconditionFailed"}, object: "manifest!", exists: true},
		"slow down":                 {script: []any{"503 SlowDown", "200"}},
		"connection lost, but done": {script: []any{lost, "412 PreconditionFailed"}, object: "manifest"},
		"denied":                    {script: []any{"403 AccessDenied"}, fails: "AccessDenied"},
		"always 500":                {script: []any{"500 InternalError", "500 InternalError", "500 InternalError"}, fails: "InternalError"},
		"conflicts without end":     {script: []any{"409 ConditionalRequestConflict", "409 ConditionalRequestConflict", "409 ConditionalRequestConflict"}, fails: "ConditionalRequestConflict"},
		"a store that cannot":       {script: []any{"501 NotImplemented"}, fails: "NotImplemented"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := &answers{t: t, script: tt.script, object: tt.object}
				b, err := awslambda.New(t.Context(), "f", awslambda.WithShards(1), awslambda.WithBucket("payloads", awslambda.SSES3()), awslambda.WithConfig(aws.Config{
					Region: "us-east-1", HTTPClient: a, Credentials: credentials.NewStaticCredentialsProvider("a", "b", ""),
				}))
				if err != nil {
					t.Fatal(err)
				}
				defer b.Close()
				data := []byte("manifest")
				err = b.Store().Create(t.Context(), "runs/x", bytes.NewReader(data), 8, sha256.Sum256(data))
				if errors.Is(err, fs.ErrExist) != tt.exists || (err != nil) != (tt.exists || tt.fails != "") || err != nil && !strings.Contains(err.Error(), tt.fails) {
					t.Errorf("%v", err)
				}
				if a.puts != len(tt.script) {
					t.Errorf("%d tries, want %d", a.puts, len(tt.script))
				}
				for _, h := range a.headers {
					if h.Get("If-None-Match") != "*" || h.Get("X-Amz-Checksum-Sha256") == "" || h.Get("X-Amz-Server-Side-Encryption") != "AES256" {
						t.Errorf("header %v", h)
					}
				}
				var failed *lambdapool.InvokeError
				if err != nil && (!errors.As(err, &failed) || !strings.Contains(err.Error(), "s3://payloads/lambdapool/runs/x")) {
					t.Errorf("%v", err)
				}
			})
		})
	}
}
