package local

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"regexp"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/lambdapool/lambdapool/backend/local/internal/service"
	"github.com/lambdapool/lambdapool/backend/local/internal/wire"
)

// What an account has in one region:
// https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html (2026-11).
const (
	accountConcurrency = 1000
	accountCodeStorage = 75 << 30 // bytes
)

// WithAddress sets where the endpoint listens, an IP address of loopback and a
// port: "127.0.0.1:9001". The default is any free port of 127.0.0.1.
//
// Set it where something must know the endpoint before it is there, such as a configuration
// file, and leave it out in tests, which would collide. A port that is taken is an error of
// New. Nothing but loopback is accepted: whoever reaches the endpoint and has a key runs
// programs here.
func WithAddress(address string) Option {
	return func(c *config) error {
		addr, err := netip.ParseAddrPort(address)
		switch {
		case err != nil:
			return fmt.Errorf("address %q: %w (it is IP:PORT, such as 127.0.0.1:9001)", address, err)
		case !addr.Addr().Is4() || !addr.Addr().IsLoopback():
			return fmt.Errorf("address %q: not on loopback, such as 127.0.0.1:%d (whoever reaches the endpoint runs programs here)", address, addr.Port())
		}
		c.address = address
		return nil
	}
}

var (
	keyID     = regexp.MustCompile(`^\w{16,128}$`)
	secretKey = regexp.MustCompile(`^[!-~]{16,}$`)
)

// WithCredentials sets the key pair that requests are signed with: an access
// key id of 16 to 128 letters, digits and underscores and a secret of at least 16
// printable characters. The default is a pair that is made anew.
//
// Set it where clients are configured before the endpoint is there, and never to keys of an
// account: they would lie in memory and configuration of a program that does not need them.
// A request that is signed with anything else is answered 403.
func WithCredentials(accessKeyID, secretAccessKey string) Option {
	return func(c *config) error {
		switch {
		case !keyID.MatchString(accessKeyID):
			return fmt.Errorf("access key id %q: must be 16 to 128 letters, digits and underscores", accessKeyID)
		case !secretKey.MatchString(secretAccessKey):
			return fmt.Errorf("secret access key of %q: must be at least 16 printable characters without spaces", accessKeyID)
		}
		c.accessKeyID, c.secretAccessKey = accessKeyID, secretAccessKey
		return nil
	}
}

// WithCodeStorage bounds the code that a Server keeps, in bytes of the zips of all versions
// in a region; at least 1, the default is Lambda's 75 GB. What is too much is refused with
// CodeStorageExceededException, which a test of a deployment can bring about by a small
// bound. Unpacked, and with [WithData] once more as a zip, code takes more of this
// machine's disk than that.
func WithCodeStorage(bytes int64) Option {
	return func(c *config) error {
		if bytes < 1 {
			return fmt.Errorf("code storage of %d bytes: must be at least 1", bytes)
		}
		c.codeStorage = bytes
		return nil
	}
}

// WithAgents bounds the invocations that run at once in a Server, of all functions
// together and whatever the account's limit says: what this machine is to carry. One
// more is answered 429, as when the account's concurrency is used up. 1 to 10,000, which
// is the default. An Event invocation beyond it waits in its queue.
func WithAgents(n int) Option {
	return func(c *config) error {
		if n < 1 || n > service.MaxConcurrency {
			return fmt.Errorf("agents %d: must be 1 to %d", n, service.MaxConcurrency)
		}
		c.agents = n
		return nil
	}
}

// WithCodeFrom lets a Server read code that a request names by S3Bucket and S3Key. fetch
// returns an object's bytes, at most 50 MB; its error becomes that of the request. It must
// be safe for concurrent use. Its ctx ends when the client has gone. Without the option
// such requests are refused.
//
// It says what a bucket is here: a directory, a map of a test's, another server. Without it
// code comes in the request itself, as it does from package deploy.
func WithCodeFrom(fetch func(ctx context.Context, bucket, key string) ([]byte, error)) Option {
	return func(c *config) error {
		if fetch == nil {
			return errors.New("code from: nil function (leave the option out to refuse such code)")
		}
		c.fetch = fetch
		return nil
	}
}

// WithData keeps in a directory, which is made if need be, what would be gone with this
// process. One process at a time uses a directory, however the last one ended.
//
// A Backend keeps its store and the queue of detached calls: a detached run goes on, and
// is found, when a later process opens the same directory. What is queued runs while one
// has it open; calls that run when the Backend is closed have ten seconds to end.
//
// A Server keeps its functions with their code, its roles, and the queue of Event
// invocations. Log groups are not kept.
//
// An event that was cut off is delivered again, as on Lambda; of a detached run only the
// function of one that is registered as Idempotent runs again then.
//
// Files are whole or not there, whenever the process is killed, but they are not forced to
// the disk: after a power failure the last changes may be missing. A directory is of one of
// the two: what a Backend has kept a Server does not read. A file that is damaged is an
// error of New that names it and says what to do, but for a queued event: that is logged,
// and stays. Without the option nothing is written that outlives the process.
func WithData(dir string) Option {
	return func(c *config) error {
		if dir == "" {
			return errors.New("data: no directory (leave the option out to keep nothing)")
		}
		abs, err := filepath.Abs(dir)
		if err != nil {
			return fmt.Errorf("data %q: %w", dir, err)
		}
		c.data = abs
		return nil
	}
}

// WithUpdateTime sets how long a function of a Server stays Pending after it was created,
// and InProgress after an update, as Lambda takes some seconds for it: 0, the default, to
// 15 minutes. As on Lambda, a function that is Pending cannot be invoked, and $LATEST is
// what it was before while an update is InProgress.
//
// Use some seconds to see whether a deployment waits as it must; 0 has every change done
// when it is answered, although the answer says, as Lambda's, that it is under way.
func WithUpdateTime(d time.Duration) Option {
	return func(c *config) error {
		if d < 0 || d > service.MaxTimeout {
			return fmt.Errorf("update time %v: must be 0 to %v", d, service.MaxTimeout)
		}
		c.updateTime = d
		return nil
	}
}

// keyPair returns the configured credentials, or makes some.
func (c *config) keyPair() aws.Credentials {
	pair := aws.Credentials{AccessKeyID: c.accessKeyID, SecretAccessKey: c.secretAccessKey, Source: "lambdapool/backend/local"}
	if pair.AccessKeyID == "" {
		pair.AccessKeyID, pair.SecretAccessKey = "AKIALOCAL"+wire.KeyID(), wire.RandomHex(20)
	}
	return pair
}

// anyPort is where to listen by default.
var anyPort = net.JoinHostPort("127.0.0.1", "0")
