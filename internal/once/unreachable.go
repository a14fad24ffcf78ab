package once

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"syscall"

	"github.com/lambdapool/lambdapool/driver"
)

// hintFiles is the way out for a process that may open no further file.
const hintFiles = "this process has as many files open as it may: raise the limit with ulimit -n, or have fewer requests at once with lambdapool.WithWorkers"

// Hints are what a backend says to those who found no connection.
type Hints struct {
	NoHost      string // the name of the host is not known
	Certificate string // it is not trusted
	NoTLS       string // the server does not speak TLS
	Otherwise   string
}

// Unreachable explains in e an attempt that found no connection to host, because of err. What looks
// like a wrong setting is permanent, unless the setting has worked before: reached.
func Unreachable(e *driver.InvokeError, host string, err error, reached bool, hints Hints) {
	e.Err = fmt.Errorf("no connection to %s: %w", host, err)
	var (
		dns    *net.DNSError
		cert   *tls.CertificateVerificationError
		record tls.RecordHeaderError
	)
	switch {
	case errors.Is(err, syscall.EMFILE):
		e.Hint = hintFiles
		return // others are closed in time
	case errors.As(err, &dns) && dns.IsNotFound:
		e.Hint = hints.NoHost
	case errors.As(err, &cert):
		e.Hint = hints.Certificate
	case errors.As(err, &record):
		e.Hint = hints.NoTLS
	default:
		e.Hint = hints.Otherwise
		return
	}
	e.Permanent = !reached
}

// Unquoted is err without what it quotes: net/http repeats an answer that it does not understand, and
// that may be a result.
func Unquoted(err error) error {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err // it quotes the URL only
	}
	if text, _, quoted := strings.Cut(err.Error(), `"`); quoted {
		return errors.New(text + "…")
	}
	return err
}
