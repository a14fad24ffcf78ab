package codec

import (
	"encoding/json"
	"log/slog"
	"strings"
	"time"
)

// A Link is a pre-signed URL: whoever has it may GET, or PUT, one object until it expires. With
// Under it is a form instead, to POST any objects whose keys begin with that: one signature for
// many. Which of these it is only its maker knows.
//
// Its query and its form are credentials. So a Link prints, formats, logs and marshals to JSON
// without them: use URL to send it. It travels whole within a [Request], but for Expires, which
// is the maker's.
type Link struct {
	URL     string            `msgpack:"u,omitempty"`
	Header  map[string]string `msgpack:"h,omitempty"` // headers that must be sent along, as they are signed too
	Under   string            `msgpack:"n,omitempty"` // what the keys begin with, as the store has them
	Form    map[string]string `msgpack:"f,omitempty"` // fields that come before "key" and "file", with Under
	Expires time.Time         `msgpack:"-"`
}

// String returns the URL without its query, and without a user and a password. It is safe to
// print. The zero Link is "no link".
func (l Link) String() string {
	if l.URL == "" {
		return "no link"
	}
	shown, _, secret := strings.Cut(l.URL, "?")
	if scheme, rest, ok := strings.Cut(shown, "://"); ok {
		// A user and a password would be a credential too.
		host, path, _ := strings.Cut(rest, "/")
		shown = scheme + "://" + host[strings.LastIndexByte(host, '@')+1:] + "/" + path
	}
	if secret {
		shown += "?…"
	}
	return shown
}

// GoString returns what String does, for %#v.
func (l Link) GoString() string { return "codec.Link{" + l.String() + "}" }

// LogValue returns what String does, for package log/slog.
func (l Link) LogValue() slog.Value { return slog.StringValue(l.String()) }

// MarshalJSON returns what String does, as a JSON string.
func (l Link) MarshalJSON() ([]byte, error) { return json.Marshal(l.String()) }
