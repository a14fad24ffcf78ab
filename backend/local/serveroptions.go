package local

import (
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// What an account has in one region:
// https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html (2026-11).
const (
	accountConcurrency = 1000
	accountCodeStorage = 75 << 30 // bytes
)

// WithAddress sets where the endpoint listens, an IP address of loopback and a
// port: "127.0.0.1:9001". The default is any free port of 127.0.0.1.
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

// WithCodeStorage bounds the code that a Server keeps, in bytes of the zips of all
// versions in a region; at least 1, the default is Lambda's 75 GB.
func WithCodeStorage(bytes int64) Option {
	return func(c *config) error {
		if bytes < 1 {
			return fmt.Errorf("code storage of %d bytes: must be at least 1", bytes)
		}
		c.codeStorage = bytes
		return nil
	}
}

// WithUpdateTime sets how long a function of a Server stays Pending after it
// was created, and InProgress after an update, as Lambda takes some seconds
// for it: 0, the default, to 15 minutes. An update is used at once even so.
func WithUpdateTime(d time.Duration) Option {
	return func(c *config) error {
		if d < 0 || d > maxTimeout {
			return fmt.Errorf("update time %v: must be 0 to %v", d, maxTimeout)
		}
		c.updateTime = d
		return nil
	}
}

// keyPair returns the configured credentials, or makes some.
func (c *config) keyPair() aws.Credentials {
	pair := aws.Credentials{AccessKeyID: c.accessKeyID, SecretAccessKey: c.secretAccessKey, Source: "lambdapool/backend/local"}
	if pair.AccessKeyID == "" {
		pair.AccessKeyID, pair.SecretAccessKey = "AKIALOCAL"+randomKeyID(), randomHex(20)
	}
	return pair
}

// anyPort is where to listen by default.
var anyPort = net.JoinHostPort("127.0.0.1", "0")
