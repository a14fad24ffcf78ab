package once_test

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lambdapool/lambdapool/driver"
	"github.com/lambdapool/lambdapool/internal/once"
)

func TestReadBody(t *testing.T) {
	for _, tt := range []struct {
		name   string
		body   string
		length int64
		want   error
	}{
		{"whole", "abcd", 4, nil},
		{"of unknown length", "abcd", -1, nil},
		{"cut short", "abc", 4, io.ErrUnexpectedEOF},
		{"too long", "abcde", 5, once.ErrTooLong},
		{"too long, and of unknown length", "abcde", -1, once.ErrTooLong},
	} {
		got, err := once.ReadBody(&http.Response{Body: io.NopCloser(strings.NewReader(tt.body)), ContentLength: tt.length}, 4)
		if !errors.Is(err, tt.want) || err == nil && string(got) != tt.body {
			t.Errorf("%s: %q, %v", tt.name, got, err)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		header string
		want   time.Duration
	}{
		{"", 0},
		{"2", 2 * time.Second},
		{" 0.5 ", 500 * time.Millisecond},
		{"-1", 0},
		{"NaN", 0},
		{fmt.Sprint(math.MaxFloat64), time.Hour},
		{"Sun, 01 Nov 2026 12:00:07 GMT", 7 * time.Second},
		{"Sun, 01 Nov 2026 11:00:00 GMT", 0},
		{"tomorrow", 0},
	} {
		if got := once.RetryAfter(http.Header{"Retry-After": {tt.header}}, now); got != tt.want {
			t.Errorf("%q: %v, want %v", tt.header, got, tt.want)
		}
	}
}

func TestClip(t *testing.T) {
	if got := once.Clip(strings.Repeat("é", 300)); len(got) > 410 || !strings.HasSuffix(got, "…") {
		t.Errorf("%d bytes: %s", len(got), got)
	}
	if got := once.Clip("a\xffb"); got != "a\uFFFDb" {
		t.Errorf("%q", got)
	}
}

func TestUnreachable(t *testing.T) {
	hints := once.Hints{NoHost: "host", Certificate: "certificate", NoTLS: "tls", Otherwise: "network"}
	for _, tt := range []struct {
		err       error
		hint      string
		permanent bool
	}{
		{&net.DNSError{IsNotFound: true}, "host", true},
		{&net.DNSError{IsTimeout: true}, "network", false},
		{&tls.CertificateVerificationError{Err: errors.New("unknown")}, "certificate", true},
		{tls.RecordHeaderError{Msg: "no"}, "tls", true},
		{syscall.ECONNREFUSED, "network", false},
		{fmt.Errorf("dial: %w", syscall.EMFILE), "ulimit -n", false},
	} {
		for _, reached := range []bool{false, true} {
			e := &driver.InvokeError{}
			once.Unreachable(e, "example.com", tt.err, reached, hints)
			if !strings.Contains(e.Hint, tt.hint) || e.Permanent != (tt.permanent && !reached) || !errors.Is(e.Err, tt.err) || !strings.Contains(e.Err.Error(), "example.com") {
				t.Errorf("%v, reached %v: %+v", tt.err, reached, e)
			}
		}
	}
}

func TestUnquoted(t *testing.T) {
	if got := once.Unquoted(errors.New(`malformed HTTP response "a secret"`)).Error(); got != "malformed HTTP response …" {
		t.Error(got)
	}
	if got := once.Unquoted(io.EOF); got != io.EOF { //nolint:errorlint // the very same
		t.Error(got)
	}
}
