package mapreduce

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/lambdapool/lambdapool/driver"
	"github.com/lambdapool/lambdapool/internal/linked"
	"github.com/lambdapool/lambdapool/internal/postform"
)

// network follows forms that lead out of this process.
var network http.RoundTripper = linked.Network()

// Like agents, functions meet connection errors and what a store says of itself (5xx, 429) with another try.
const (
	storeTries = 6
	storePause = 100 * time.Millisecond // doubled each time
)

// An outlet is where a call may store objects: a form for any below a prefix, or, of a store that makes no forms, links
// for a few.
type outlet struct {
	Form  driver.Link
	Links []namedLink
}

// A namedLink stores one object, unless there is one already: that is of another attempt, or of a try whose answer was lost.
type namedLink struct {
	Name string // below the prefix
	Link driver.Link
}

// perCall is how many links a call gets where there is no form: attempts that store, times objects of each.
const perCall = 16

// errTaken is wrapped where there is an object already.
var errTaken = errors.New("there is an object of that name")

// put stores size bytes, and returns the name that they have: one that no other attempt has. So an object that no reply
// names counts for nothing.
func (o *outlet) put(ctx context.Context, size int64, body func() io.Reader) (name string, err error) {
	if o.Form.URL != "" {
		name = rand.Text()
		return name, store(ctx, o.Form, name, size, body)
	}
	for len(o.Links) > 0 {
		l := o.Links[0]
		o.Links = o.Links[1:]
		if err = store(ctx, l.Link, l.Name, size, body); !errors.Is(err, errTaken) {
			return l.Name, err
		}
	}
	return "", errors.Join(errors.New("mapreduce: the store makes no forms, and the links of this call are used up: give the run more Memory or smaller inputs, and another Name if it has one"), err)
}

// errRefused is wrapped by what another try does not help against.
var errRefused = errors.New("refused")

// store puts size bytes where link leads, or at name below what it allows.
func store(ctx context.Context, link driver.Link, name string, size int64, body func() io.Reader) error {
	for try := 1; ; try++ {
		err := storeOnce(ctx, link, name, size, body)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return fmt.Errorf("mapreduce: store %s: %w", name, context.Cause(ctx))
		case errors.Is(err, errRefused):
			return fmt.Errorf("mapreduce: store %s: %w", name, err)
		case try == storeTries:
			return fmt.Errorf("mapreduce: store %s, tried %d times: %w", name, try, err)
		}
		timer := time.NewTimer(storePause << (try - 1))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
		}
	}
}

func storeOnce(ctx context.Context, link driver.Link, name string, size int64, body func() io.Reader) error {
	u, err := url.Parse(link.URL)
	if err != nil || u.Host == "" {
		return fmt.Errorf("%w: the link is not one to an object store", errRefused) // url.Parse's error quotes it
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPut, "", http.NoBody)
	if err != nil {
		return err
	}
	r.URL, r.Host = u, u.Host
	for header, value := range link.Header {
		r.Header.Set(header, value)
	}
	if link.Under == "" {
		r.ContentLength = size
		r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(body()), nil }
		r.Body, err = r.GetBody()
	} else {
		r.Method = http.MethodPost
		err = postform.Fill(r, link.Form, link.Under+name, size, body)
	}
	if err != nil {
		return err
	}
	transport := linked.Transport(u.Host)
	if transport == nil {
		transport = network
	}
	resp, err := transport.RoundTrip(r) // not an http.Client: a redirect would take the credential elsewhere
	if err != nil {
		if wrapped := (*url.Error)(nil); errors.As(err, &wrapped) {
			err = wrapped.Err
		}
		return err
	}
	defer func() { _ = resp.Body.Close() }() // what it says is its status
	switch status := resp.StatusCode; {
	case status == http.StatusOK, status == http.StatusCreated, status == http.StatusNoContent:
		return nil
	case status == http.StatusPreconditionFailed:
		return fmt.Errorf("%w: %w: HTTP %d from %v", errRefused, errTaken, status, link)
	case status >= 500 && status != http.StatusInsufficientStorage, status == http.StatusTooManyRequests,
		status == http.StatusRequestTimeout, status == http.StatusConflict:
		return fmt.Errorf("HTTP %d from %v", status, link)
	case status == http.StatusForbidden:
		return fmt.Errorf("%w: HTTP %d from %v: the link has expired, or whoever signed it may not write there", errRefused, status, link)
	default:
		return fmt.Errorf("%w: HTTP %d from %v", errRefused, status, link)
	}
}
