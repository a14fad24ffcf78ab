package googleapi

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"golang.org/x/oauth2"

	"github.com/lambdapool/lambdapool/driver"
	"github.com/lambdapool/lambdapool/internal/once"
)

// apiTimeout bounds one request to an API of Google's.
const apiTimeout = 30 * time.Second

// NewClient makes the client for Google's APIs. x/oauth2 sends without a context: what is under way
// ends with life.
func NewClient(life context.Context) *http.Client {
	t := &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: apiTimeout}).DialContext,
		TLSHandshakeTimeout: apiTimeout,
		ForceAttemptHTTP2:   true,
		IdleConnTimeout:     apiTimeout,
	}
	return &http.Client{Transport: &mortal{Transport: t, life: life}, Timeout: apiTimeout}
}

// A mortal transport ends its requests with its life, whatever their context.
type mortal struct {
	*http.Transport

	life context.Context
}

func (m *mortal) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancel(r.Context())
	stop := context.AfterFunc(m.life, cancel)
	done := func() { stop(); cancel() }
	resp, err := m.Transport.RoundTrip(r.WithContext(ctx))
	if err != nil {
		done()
		return nil, err
	}
	resp.Body = &mortalBody{resp.Body, done}
	return resp, nil
}

type mortalBody struct {
	io.ReadCloser

	done func()
}

func (b *mortalBody) Close() error {
	defer b.done()
	return b.ReadCloser.Close()
}

// An Error is a refusal of a Google API.
type Error struct {
	Status  int
	Code    string // such as PERMISSION_DENIED
	Message string
	Reason  string // such as SERVICE_DISABLED
	From    string // who has said it; "": the API that was asked
}

func (e *Error) Error() string {
	text := fmt.Sprintf("HTTP %d", e.Status)
	if e.From != "" {
		text += " from " + e.From
	}
	if e.Code != "" {
		text += " " + e.Code
	}
	if e.Message != "" {
		text += ": " + e.Message
	}
	return text
}

// Unwrap says what kind of failure it is.
func (e *Error) Unwrap() error {
	switch e.Status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return driver.ErrAccessDenied
	case http.StatusNotFound:
		return driver.ErrFunctionNotFound
	case http.StatusBadRequest:
		if e.From != "" { // RFC 6749 refuses credentials so
			return driver.ErrAccessDenied
		}
	case http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return driver.ErrUnreachable
	}
	return nil
}

// maxAnswer is more than any answer of the methods that are called here.
const maxAnswer = 4 << 20

// Call sends a request to a Google API with a token of source, and reads the answer into out.
func (id *Identity) Call(ctx context.Context, source oauth2.TokenSource, method, url string, in, out any) error {
	token, err := source.Token()
	if err != nil {
		return fmt.Errorf("no access token: %w", NotMinted(err))
	}
	var body io.Reader
	if in != nil {
		data, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(data)
	}
	r, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		return err
	}
	token.SetAuthHeader(r)
	if id.Quota != "" {
		r.Header.Set("X-Goog-User-Project", id.Quota)
	}
	if in != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	resp, err := id.Client.Do(r) //nolint:bodyclose // ReadBody does
	if err != nil {
		return fmt.Errorf("%w: %w", driver.ErrUnreachable, err)
	}
	data, err := once.ReadBody(resp, maxAnswer)
	if err != nil {
		return fmt.Errorf("the answer of %s: %w", r.URL.Host, err)
	}
	if resp.StatusCode != http.StatusOK {
		return refusal(resp.StatusCode, data)
	}
	if err := json.Unmarshal(data, out); err != nil {
		return fmt.Errorf("the answer of %s is not what was expected: %w", r.URL.Host, err)
	}
	return nil
}

// refusal reads the error of an API: https://cloud.google.com/apis/design/errors.
func refusal(status int, data []byte) *Error {
	var said struct {
		Error struct {
			Status  string `json:"status"`
			Message string `json:"message"`
			Details []struct {
				Reason string `json:"reason"`
			} `json:"details"`
		} `json:"error"`
	}
	e := &Error{Status: status}
	if json.Unmarshal(data, &said) != nil {
		return e // a page of HTML
	}
	e.Code, e.Message = said.Error.Status, once.Clip(said.Error.Message)
	for _, d := range said.Error.Details {
		e.Reason = cmp.Or(e.Reason, d.Reason)
	}
	return e
}

// IsDenied reports whether an API has refused the credentials or their rights, or is turned off.
func IsDenied(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && (e.Status == http.StatusUnauthorized || e.Status == http.StatusForbidden)
}

// FromTokens reports whether it was the credentials that were refused, before any API was asked.
func FromTokens(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.From != ""
}

// IsDisabled reports whether the project has the API turned off.
func IsDisabled(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Reason == "SERVICE_DISABLED"
}
