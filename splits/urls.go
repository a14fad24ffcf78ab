package splits

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"path"

	"github.com/lambdapool/lambdapool/driver"
)

// URLs yields the splits of objects that any web server serves, with one HEAD request for each. A
// server has to tell an object's size, and to serve ranges unless it is taken whole. Redirects are
// followed now and not by agents, which read where the last one led. Agents have to reach the server.
//
// Whoever sees a split sees its URL, but for the query. An error is of one URL; the next follows.
func URLs(ctx context.Context, urls []string, opts ...Option) iter.Seq2[Split, error] {
	c, err := settle(opts)
	if err != nil {
		return failing(err)
	}
	return cutAll(ctx, c, func(yield func(source, error) bool) {
		for _, raw := range urls {
			u, err := url.Parse(raw)
			if err != nil || u.Host == "" {
				if !yield(source{}, fmt.Errorf("splits: %v: not a URL of a web server", driver.Link{URL: raw})) {
					return
				}
				continue
			}
			if !c.match(u.Path) {
				continue
			}
			if !yield(urlSource(ctx, raw, c)) {
				return
			}
		}
	})
}

// mostRedirects is how many are followed, as net/http's client follows.
const mostRedirects = 10

// urlSource asks a server for an object's size.
func urlSource(ctx context.Context, raw string, c *cut) (source, error) {
	at := distant{link: driver.Link{URL: raw}}
	var resp *http.Response
	for range mostRedirects {
		var err error
		if resp, err = at.ask(ctx, http.MethodHead, ""); err != nil {
			return source{}, fmt.Errorf("splits: %v: %w", at.link, err)
		}
		_ = resp.Body.Close() // the answer to HEAD has none
		if resp.StatusCode/100 != 3 {
			break
		}
		next, err := resp.Request.URL.Parse(resp.Header.Get("Location"))
		if err != nil {
			return source{}, fmt.Errorf("splits: %v: it redirects to nowhere", at.link)
		}
		at.link.URL = next.String()
	}
	switch {
	case resp.StatusCode != http.StatusOK:
		return source{}, fmt.Errorf("splits: %v: HTTP %d", at.link, resp.StatusCode)
	case resp.ContentLength < 0:
		return source{}, fmt.Errorf("splits: %v: the server does not say how large it is", at.link)
	case resp.Header.Get("Accept-Ranges") == "none" && !c.whole:
		return source{}, fmt.Errorf("splits: %v: %w: use Whole", at.link, ErrNoRanges)
	}
	s := Split{Name: at.link.String(), Link: at.link, Size: resp.ContentLength, Version: version(resp.Header)}
	if u, err := url.Parse(raw); err == nil && path.Base(u.Path) != "." { // its name tells how it is compressed
		s.Name = (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
	}
	return source{whole: s, head: func(ctx context.Context) ([]byte, error) { return headOf(ctx, s, c) }}, nil
}

// headOf is head, but for a server without ranges, of which nothing but the name is asked.
func headOf(ctx context.Context, s Split, c *cut) ([]byte, error) {
	if c.whole {
		return nil, nil
	}
	return head(ctx, s)
}
