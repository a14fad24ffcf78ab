//go:build !lambdapool.nohttp

package agent

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"time"

	"github.com/lambdapool/lambdapool/internal/httpwire"
)

// httpSettings is what the deployer of an agent behind HTTP has said.
type httpSettings struct {
	address     string
	token       [sha256.Size]byte // the hash of the bearer token; zero: the platform has checked who calls
	timeout     time.Duration
	memory      int64 // MB; 0: not known
	procs       int   // items at once; 0: as many as Go sees processors
	concurrency int   // requests at once; 0: any
}

// maxConcurrency is how many requests at once a platform gives one instance, at most: Cloud Run's bound
// (cloud.google.com/run/docs/about-concurrency, 2026-11).
const maxConcurrency = 1000

// readHTTPSettings reads the environment. What is missing has a default; what is wrong is an error:
// an agent that guesses would be found out only under load.
func readHTTPSettings(lookup func(string) (string, bool)) (httpSettings, error) {
	s := httpSettings{timeout: httpwire.DefaultTimeout}
	var errs []error
	number := func(name string, least, most float64, set func(float64)) {
		text, ok := lookup(name)
		if !ok || text == "" {
			return
		}
		n, err := strconv.ParseFloat(text, 64)
		if err != nil || !(n >= least && n <= most) {
			errs = append(errs, fmt.Errorf("%s is %q, must be a number from %g to %g", name, text, least, most))
			return
		}
		set(n)
	}
	number(httpwire.EnvMemory, 1, 1<<20, func(mb float64) { s.memory = int64(mb) })
	number(httpwire.EnvCPU, 0.01, 1024, func(cpus float64) { s.procs = max(1, int(cpus+0.5)) })
	number(httpwire.EnvConcurrency, 1, maxConcurrency, func(n float64) { s.concurrency = int(n) })
	if text, ok := lookup(httpwire.EnvTimeout); ok && text != "" {
		d, err := time.ParseDuration(text)
		if err != nil || d <= 0 {
			errs = append(errs, fmt.Errorf("%s is %q, must be a duration such as 300s", httpwire.EnvTimeout, text))
		}
		s.timeout = d
	}
	var err error
	if s.address, err = listenAddress(lookup); err != nil {
		errs = append(errs, err)
	}
	if s.token, err = bearer(lookup); err != nil {
		errs = append(errs, err)
	}
	return s, errors.Join(errs...)
}

// listenAddress is LAMBDAPOOL_ADDRESS, or PORT on all interfaces, as container platforms set it.
// There is no default: a process that listens somewhere by itself is found by the wrong people.
func listenAddress(lookup func(string) (string, bool)) (string, error) {
	if address, ok := lookup(httpwire.EnvAddress); ok && address != "" {
		if _, _, err := net.SplitHostPort(address); err != nil {
			return "", fmt.Errorf("%s is %q, must be HOST:PORT", httpwire.EnvAddress, address)
		}
		return address, nil
	}
	port, _ := lookup(httpwire.EnvPort)
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return "", fmt.Errorf("%s is %q, must be a port: the platform sets it; elsewhere set %s", httpwire.EnvPort, port, httpwire.EnvAddress)
	}
	return net.JoinHostPort("", port), nil
}

// bearer returns the hash of the token that callers must have. Off a platform that checks callers, an
// agent without one would run functions for everybody who finds it.
func bearer(lookup func(string) (string, bool)) (hash [sha256.Size]byte, err error) {
	auth, _ := lookup(httpwire.EnvAuth)
	token, _ := lookup(httpwire.EnvToken)
	switch {
	case auth == httpwire.AuthPlatform && token == "":
		return hash, nil
	case auth == httpwire.AuthPlatform:
		return hash, fmt.Errorf("%s is set, but %s says that the platform checks callers: unset one of them", httpwire.EnvToken, httpwire.EnvAuth)
	case auth != "" && auth != httpwire.AuthToken:
		return hash, fmt.Errorf("%s is %q, must be %q or %q", httpwire.EnvAuth, auth, httpwire.AuthToken, httpwire.AuthPlatform)
	case len(token) < httpwire.MinToken:
		return hash, fmt.Errorf("%s has %d bytes, must have %d or more: make one with `openssl rand -hex 32`; where the platform checks callers, set %s=%s",
			httpwire.EnvToken, len(token), httpwire.MinToken, httpwire.EnvAuth, httpwire.AuthPlatform)
	}
	// Neither functions nor their children have a use for it.
	return sha256.Sum256([]byte(token)), os.Unsetenv(httpwire.EnvToken)
}
