package once

import "net/url"

// Endpoint reads the URL of a server to which a path can be added: http or https, and nothing behind
// the path. It returns nil for any other, and no error that could repeat it: it may hold a password.
func Endpoint(raw string) *url.URL {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil
	}
	return u
}
