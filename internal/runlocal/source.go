package runlocal

import (
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"
)

// This file is what runs without an image: an archive in a bucket, over a base image of Google's.
// https://cloud.google.com/run/docs/reference/rest/v2/Container#SourceCode, 2026-11.

const (
	mayRead = "storage.objects.get"

	scratch  = "scratch"  // what the image is called where there is none
	baseOnly = "osonly24" // the base image without a language; here it is this machine

	// maxSource is Google's limit: https://cloud.google.com/run/docs/deploying-source-code, 2026-11. Whether it is of the
	// archive or of what is in it is not said: here it is of both.
	maxSource = 250 << 20

	// sourceUser is not root. Which one the base image has is not documented.
	sourceUser = "33:33"

	fetchWithin = time.Minute
)

// serviceAgent is as whom Google reads what services are made of.
const serviceAgent = "service-1@serverless-robot-prod.iam.gserviceaccount.com"

// sources has the archives that have run, by bucket, object and generation.
type sources struct {
	mu      sync.Mutex
	storage string // the endpoint of Cloud Storage; "": there is none
	byName  map[string]*image
}

// Storage has archives be fetched from the Cloud Storage at an endpoint, by its XML API.
func (s *Server) Storage(endpoint string) {
	s.Grant("roles/run.serviceAgent", serviceAgent, "")
	s.sources.mu.Lock()
	defer s.sources.mu.Unlock()
	s.sources.storage = endpoint
}

// completeSource checks what a container says of its source. Of the base images one is known here.
func (c *containerJSON) completeSource() *apiFault {
	const at = "Service.template.containers[0]."
	switch {
	case c.Source == nil && c.BaseImage != "":
		return violation(at + "base_image_uri: the embedded Cloud Run has base images for source code only")
	case c.Source == nil:
		return nil
	case c.Source.Storage == nil || c.Source.Storage.Bucket == "" || c.Source.Storage.Object == "" || c.Source.Storage.Generation < 0:
		return violation(at + "source_code.cloud_storage_source: bucket and object are required")
	case c.Image != scratch:
		return violation(at+"image: with source_code it must be %q", scratch)
	case c.BaseImage != baseOnly:
		return violation(at+"base_image_uri: the embedded Cloud Run has %q only", baseOnly)
	case len(c.Command) == 0:
		return violation(at+"command: is required, since %q starts nothing", baseOnly)
	}
	return nil
}

// maySource checks the right to read an archive: who deploys must have it.
func (s *Server) maySource(caller string, from *storageJSON) *apiFault {
	if !s.may(caller, mayRead, from.Bucket) {
		return fault(http.StatusForbidden, fmt.Sprintf("Permission '%s' denied on resource 'gs://%s/%s' (or it may not exist).", mayRead, from.Bucket, from.Object))
	}
	return nil
}

// source returns an archive, unpacked. It is as an image is, without one's configuration.
func (s *Server) source(from *storageJSON) (*image, error) {
	if err := runs("linux", "amd64"); err != nil {
		return nil, err
	}
	if err := s.registry.open(); err != nil { // whose directory has what runs
		return nil, err
	}
	s.sources.mu.Lock()
	defer s.sources.mu.Unlock()
	body, generation, err := s.fetch(from)
	if err != nil {
		return nil, err
	}
	defer func() { _ = body.Close() }() // it was only read
	name := from.Bucket + "/" + from.Object + "#" + generation
	if found := s.sources.byName[name]; found != nil {
		return found, nil
	}
	sum := sha256.Sum256([]byte(name))
	root := filepath.Join(s.registry.dir, "sources", hex.EncodeToString(sum[:]))
	if err := unpackSource(body, root); err != nil {
		return nil, errors.Join(err, os.RemoveAll(root))
	}
	user, err := userOf(sourceUser)
	if err != nil {
		return nil, err
	}
	if s.sources.byName == nil {
		s.sources.byName = map[string]*image{}
	}
	s.sources.byName[name] = &image{root: root, dir: "/", user: user}
	return s.sources.byName[name], nil
}

// fetch asks for an archive, of one generation if that is said, and returns which one it is. s.sources is held.
func (s *Server) fetch(from *storageJSON) (io.ReadCloser, string, error) {
	if s.sources.storage == "" {
		return nil, "", errors.New("cannot be read: there is no Cloud Storage beside this Cloud Run")
	}
	address := s.sources.storage + "/" + url.PathEscape(from.Bucket) + "/" + (&url.URL{Path: from.Object}).EscapedPath()
	if from.Generation > 0 {
		address += "?generation=" + strconv.FormatInt(from.Generation, 10)
	}
	ctx, cancel := context.WithTimeout(s.life, fetchWithin)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		cancel()
		return nil, "", err
	}
	r.Header.Set("Authorization", "Bearer "+s.AccessToken(serviceAgent))
	r.Close = true
	resp, err := (&http.Transport{DisableCompression: true}).RoundTrip(r) //nolint:bodyclose // fetched.Close does
	if err != nil {
		cancel()
		return nil, "", err
	}
	body := &fetched{resp.Body, cancel}
	switch {
	case resp.StatusCode == http.StatusNotFound:
		err = errors.New("not found.") //nolint:staticcheck,revive // Google's words of an image
	case resp.StatusCode != http.StatusOK:
		err = fmt.Errorf("cannot be read: HTTP %d", resp.StatusCode)
	case resp.ContentLength > maxSource:
		err = fmt.Errorf("has %d bytes: %d MiB are the limit", resp.ContentLength, maxSource>>20)
	}
	if err != nil {
		return nil, "", errors.Join(err, body.Close())
	}
	return body, resp.Header.Get("X-Goog-Generation"), nil
}

// A fetched is the body of an answer, whose request ends with it.
type fetched struct {
	io.ReadCloser

	end context.CancelFunc
}

func (f *fetched) Close() error {
	defer f.end()
	return f.ReadCloser.Close()
}

// unpackSource makes a directory of a tar.gz, as of a layer.
func unpackSource(archive io.Reader, root string) error {
	z, err := gzip.NewReader(io.LimitReader(archive, maxSource))
	if err != nil {
		return fmt.Errorf("is no tar.gz: %w", err)
	}
	defer func() { _ = z.Close() }()                 // it was only read
	if err := os.MkdirAll(root, 0o755); err != nil { //nolint:gosec // another user may run it
		return err
	}
	t, err := newTree(root, maxSource)
	if err != nil {
		return err
	}
	defer t.close()
	t.plain = true
	if err := t.unpack(z); err != nil {
		return fmt.Errorf("cannot be unpacked: %w", err)
	}
	return nil
}
