package rundeploy

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/lambdapool/lambdapool/deploy/internal/steps"
	"github.com/lambdapool/lambdapool/deploy/shared"
	"github.com/lambdapool/lambdapool/driver"
	"github.com/lambdapool/lambdapool/internal/googleapi"
	"github.com/lambdapool/lambdapool/internal/once"
)

// maxRefusal is how much is read of what says why a bucket refuses.
const maxRefusal = 64 << 10

// upload creates an archive in its bucket, unless it is there, and returns its generation. Its key has its digest, so
// trying again after a lost answer is harmless. What else is found under that key is an error.
func (c *Client) upload(ctx context.Context, to storageJSON, data []byte) (generation int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, uploadWithin)
	defer cancel()
	t := uploads()
	defer t.CloseIdleConnections()
	u := &upload{c: c, transport: t, to: to, data: data, crc: checksum(data)}
	for left := reads - 1; ; left-- {
		generation, err = u.try(ctx)
		if err == nil || left == 0 || ctx.Err() != nil || !errors.Is(err, driver.ErrUnreachable) {
			break
		}
		if err := steps.Sleep(ctx, c.poll); err != nil {
			return 0, err
		}
	}
	if err == nil {
		return generation, nil
	}
	err = fmt.Errorf("upload %s: %w", to, steps.Cause(ctx, err))
	switch {
	case isMissing(err):
		return 0, &shared.Error{Err: err, Hint: fmt.Sprintf("check the bucket's name; who may makes it: gcloud storage buckets create gs://%s --location=%s --project=%s", to.Bucket, c.at.Region, c.at.ID)}
	case isDenied(err):
		return 0, &shared.Error{Err: err, Hint: fmt.Sprintf(
			"that needs roles/storage.objectCreator and roles/storage.objectViewer on the bucket: gcloud storage buckets add-iam-policy-binding gs://%s --member=user:YOU --role=ROLE; check its name, too", to.Bucket)}
	}
	return 0, err
}

// An upload is one archive on its way.
type upload struct {
	c         *Client
	transport http.RoundTripper
	to        storageJSON
	data      []byte
	crc       string // as Cloud Storage writes it
}

func checksum(data []byte) string {
	h := crc32.New(crc32.MakeTable(crc32.Castagnoli))
	_, _ = h.Write(data) // it never fails
	return "crc32c=" + base64.StdEncoding.EncodeToString(h.Sum(nil))
}

// try looks, creates what is not there, and looks again where somebody was faster.
func (u *upload) try(ctx context.Context) (int64, error) {
	generation, err := u.look(ctx)
	if !isMissing(err) {
		return generation, err
	}
	u.c.say("upload", fmt.Sprintf("%s, %.1f MB", u.to, float64(len(u.data))/(1<<20)))
	header, err := u.send(ctx, http.MethodPut, u.data)
	if e, ok := errors.AsType[*googleapi.Error](err); ok && e.Status == http.StatusPreconditionFailed {
		return u.look(ctx)
	}
	if err != nil {
		return 0, err
	}
	return generationOf(header)
}

// look returns the generation that is there, whose content must be the archive.
func (u *upload) look(ctx context.Context) (int64, error) {
	header, err := u.send(ctx, http.MethodHead, nil)
	if err != nil {
		return 0, err
	}
	for _, value := range header.Values("X-Goog-Hash") {
		for sum := range strings.SplitSeq(value, ",") {
			if sum = strings.TrimSpace(sum); strings.HasPrefix(sum, "crc32c=") && sum != u.crc {
				return 0, &shared.Error{Kind: shared.ErrForeign, Err: fmt.Errorf("there is something else at %s", u.to), Hint: "remove it, or take another bucket: somebody has written there who should not"}
			}
		}
	}
	return generationOf(header)
}

// generationOf is which one an answer is about.
func generationOf(h http.Header) (int64, error) {
	generation, err := strconv.ParseInt(h.Get("X-Goog-Generation"), 10, 64)
	if err != nil || generation <= 0 {
		return 0, errors.New("the bucket does not say which generation it has: is this Google Cloud Storage?")
	}
	return generation, nil
}

// send makes one request by the XML API. One with data creates, and replaces nothing.
// Source: https://cloud.google.com/storage/docs/xml-api/put-object-upload, 2026-11.
func (u *upload) send(ctx context.Context, method string, data []byte) (http.Header, error) {
	token, err := u.c.id.Found.TokenSource.Token()
	if err != nil {
		return nil, fmt.Errorf("no access token: %w", googleapi.NotMinted(err))
	}
	address := u.c.id.At.Storage + "/" + u.to.Bucket + "/" + (&url.URL{Path: u.to.Object}).EscapedPath()
	r, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	token.SetAuthHeader(r)
	if method == http.MethodPut {
		r.Header.Set("X-Goog-If-Generation-Match", "0")
		r.Header.Set("X-Goog-Hash", u.crc)
		r.Header.Set("Content-Type", "application/gzip")
	}
	resp, err := u.transport.RoundTrip(r)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", driver.ErrUnreachable, once.Unquoted(err))
	}
	defer func() { _ = resp.Body.Close() }() // it was only read
	if resp.StatusCode == http.StatusOK {
		return resp.Header, nil
	}
	said, _ := io.ReadAll(io.LimitReader(resp.Body, maxRefusal)) // a part says as much as there is
	var document struct {
		Code    string `xml:"Code"`
		Message string `xml:"Message"`
		Details string `xml:"Details"`
	}
	_ = xml.Unmarshal(said, &document) // what cannot be read says nothing; an answer to HEAD never does
	return nil, &googleapi.Error{Status: resp.StatusCode, Code: once.Clip(document.Code), Message: once.Clip(or(document.Details, document.Message))}
}
