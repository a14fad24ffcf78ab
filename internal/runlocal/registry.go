package runlocal

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"

	containers "github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/lambdapool/lambdapool/internal/tempdir"
)

// A registry is Artifact Registry's for container images: PROJECT/REPOSITORY/IMAGE, in a directory. The protocol is
// go-containerregistry's; who may do what, which repositories there are, and that a manifest has its blobs, is
// checked here.
// https://cloud.google.com/artifact-registry/docs/docker/authentication
type registry struct {
	server   *Server
	address  string // IP:PORT, as images are named
	front    *http.Server
	open     func() error // makes what follows, once: most servers need none of it
	protocol http.Handler
	dir      string // of blobs and of what is unpacked; "": not yet

	temporary *tempdir.Dir // which it is
	images    unpacked
}

const (
	maxBlob     = 512 << 20 // bytes: kept in memory while it is uploaded
	maxManifest = 4 << 20   // bytes, as registries have it
)

// newRegistry listens.
func newRegistry(s *Server) (*registry, error) {
	listener, err := listen()
	if err != nil {
		return nil, err
	}
	r := &registry{server: s, address: listener.Addr().String()}
	r.open = sync.OnceValue(r.make)
	r.front = &http.Server{Handler: r, ReadHeaderTimeout: time.Minute}
	s.work.Go(func() { _ = r.front.Serve(listener) })
	return r, nil
}

// make makes a directory, which others may enter: containers run as other users.
func (r *registry) make() error {
	dir, err := tempdir.Make("lambdapool-run-")
	if err != nil {
		return err
	}
	r.temporary = dir
	if r.dir, err = filepath.EvalSymlinks(dir.Path); err != nil {
		return err
	}
	blobs := filepath.Join(r.dir, "blobs")
	r.protocol = containers.New(containers.Logger(log.New(io.Discard, "", 0)), containers.WithBlobHandler(containers.NewDiskBlobHandler(blobs)))
	return errors.Join(os.Chmod(r.dir, 0o711), os.Mkdir(blobs, 0o700)) //nolint:gosec // see above; nobody can list it
}

// remove removes the directory. Nobody uses it any more.
func (r *registry) remove() error {
	if r.temporary == nil {
		return nil
	}
	return r.temporary.Remove()
}

// Registry is where images are pushed to, IP:PORT over http: it is what REGION-docker.pkg.dev is at Google. An image is
// called by it, as in IP:PORT/PROJECT/REPOSITORY/IMAGE, also in a service.
func (s *Server) Registry() string { return s.registry.address }

// A rejection is an error of the registry's protocol.
// https://github.com/opencontainers/distribution-spec/blob/main/spec.md#error-codes
type rejection struct {
	status        int
	code, message string
}

func (e *rejection) write(w http.ResponseWriter) {
	reply(w, e.status, map[string]any{"errors": []map[string]string{{"code": e.code, "message": e.message}}})
}

func (r *registry) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if !r.server.enter() {
		plain(w, http.StatusServiceUnavailable, "Service Unavailable")
		return
	}
	defer r.server.work.Done()
	w.Header().Set("Docker-Distribution-Api-Version", "registry/2.0")
	caller := r.caller(req)
	if caller == "" {
		w.Header().Set("WWW-Authenticate", fmt.Sprintf("Bearer realm=%q,service=%q", "http://"+r.address+"/v2/token", r.address))
		(&rejection{http.StatusUnauthorized, "UNAUTHORIZED", "authentication failed"}).write(w)
		return
	}
	if req.Method == http.MethodGet && req.URL.Path == "/v2/token" {
		r.handToken(w, req)
		return
	}
	if err := r.open(); err != nil {
		(&rejection{http.StatusInternalServerError, "UNKNOWN", err.Error()}).write(w)
		return
	}
	if e := r.judge(req, caller); e != nil {
		e.write(w)
		return
	}
	req.Body = http.MaxBytesReader(w, req.Body, maxBlob) // a body that is cut has another digest than it says
	r.protocol.ServeHTTP(w, req)
}

// caller is who a request is of: by an access token, or by its password, which is one.
func (r *registry) caller(req *http.Request) string {
	if user, token, basic := req.BasicAuth(); basic {
		if user != "oauth2accesstoken" {
			return ""
		}
		return r.server.owner(token)
	}
	return r.server.bearer(req)
}

// handToken serves clients that follow the challenge: they get what they have brought.
func (r *registry) handToken(w http.ResponseWriter, req *http.Request) {
	_, token, basic := req.BasicAuth()
	if !basic {
		_, token, _ = strings.Cut(req.Header.Get("Authorization"), " ")
	}
	reply(w, http.StatusOK, map[string]any{"token": token, "access_token": token, "expires_in": int(r.server.options.TokenLife.Seconds())})
}

var imagePath = regexp.MustCompile(`^/v2/([^/]+)/([^/]+)/([^/].*)/(blobs|manifests|tags|referrers)/`)

// judge refuses a request that its caller may not make, or that names what is not there.
func (r *registry) judge(req *http.Request, caller string) *rejection {
	if req.URL.Path == "/v2/" || req.URL.Path == "/v2" {
		return nil
	}
	path := imagePath.FindStringSubmatch(req.URL.Path)
	if path == nil {
		return &rejection{http.StatusNotFound, "NAME_INVALID", "want PROJECT/REPOSITORY/IMAGE"}
	}
	permission := map[string]string{http.MethodGet: mayPull, http.MethodHead: mayPull, http.MethodDelete: mayDelete}[req.Method]
	permission = cmp.Or(permission, mayPush)
	name := r.server.repository(path[1], path[2])
	if !r.server.may(caller, permission, name) {
		return &rejection{http.StatusForbidden, "DENIED", fmt.Sprintf("Permission %q denied on resource %q (or it may not exist)", permission, name)}
	}
	if !r.server.hasRepository(name) {
		return &rejection{http.StatusNotFound, "NAME_UNKNOWN", fmt.Sprintf("Repository %q not found", path[2])}
	}
	if req.Method == http.MethodPut && path[4] == "manifests" {
		return r.complete(req)
	}
	return nil
}

// complete refuses a manifest whose blobs are not there.
func (r *registry) complete(req *http.Request) *rejection {
	data, err := io.ReadAll(io.LimitReader(req.Body, maxManifest+1))
	if err != nil || len(data) > maxManifest {
		return &rejection{http.StatusRequestEntityTooLarge, "SIZE_INVALID", "the manifest is too large"}
	}
	req.Body = io.NopCloser(bytes.NewReader(data))
	var said struct {
		Config *v1.Descriptor  `json:"config"`
		Layers []v1.Descriptor `json:"layers"`
	}
	if json.Unmarshal(data, &said) != nil {
		return &rejection{http.StatusBadRequest, "MANIFEST_INVALID", "the manifest is no JSON"}
	}
	if said.Config != nil {
		said.Layers = append(said.Layers, *said.Config)
	}
	for _, blob := range said.Layers {
		if stat, err := os.Stat(r.blob(blob.Digest)); err != nil || stat.Size() != blob.Size {
			return &rejection{http.StatusBadRequest, "MANIFEST_BLOB_UNKNOWN", "blob unknown to registry: " + blob.Digest.String()}
		}
	}
	return nil
}

// blob is the file of a blob.
func (r *registry) blob(h v1.Hash) string { return filepath.Join(r.dir, "blobs", h.Algorithm, h.Hex) }

// An answer is what a handler says, kept. It is how this package asks its own registry.
type answer struct {
	status int
	header http.Header
	body   bytes.Buffer
}

func (a *answer) Header() http.Header         { return a.header }
func (a *answer) WriteHeader(status int)      { a.status = cmp.Or(a.status, status) }
func (a *answer) Write(p []byte) (int, error) { return a.body.Write(p) }

// manifest reads one of an image, by tag or digest: nil if there is none.
func (r *registry) manifest(image, reference string) []byte {
	req, err := http.NewRequest(http.MethodGet, "http://registry/v2/"+image+"/manifests/"+reference, nil) //nolint:noctx // nothing is sent
	if err != nil {
		return nil
	}
	a := &answer{header: http.Header{}}
	r.protocol.ServeHTTP(a, req)
	if a.status != http.StatusOK {
		return nil
	}
	return a.body.Bytes()
}
