package runlocal

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// An image is a pushed one, in a directory that looks like its root.
type image struct {
	root       string
	env        []string
	entrypoint []string
	command    []string
	dir        string // where it starts, in the root
	user       int    // -1: who runs this server
}

// unpacked has the images that have run, by the digest of their manifest.
type unpacked struct {
	mu       sync.Mutex
	byDigest map[string]*image
}

// A name is that of an image in the registry.
type imageName struct{ repository, path, reference string }

// parseImage reads IP:PORT/PROJECT/REPOSITORY/IMAGE[:TAG][@DIGEST]; ok is whether it is of this registry.
func (s *Server) parseImage(text string) (n imageName, ok bool) {
	rest, ok := strings.CutPrefix(text, s.registry.address+"/")
	if !ok {
		return n, false
	}
	rest, digest, pinned := strings.Cut(rest, "@")
	n.path, n.reference = rest, "latest"
	if i := strings.LastIndexByte(rest, ':'); i > strings.LastIndexByte(rest, '/') {
		n.path, n.reference = rest[:i], rest[i+1:]
	}
	if pinned {
		n.reference = digest
	}
	parts := strings.SplitN(n.path, "/", 3)
	if len(parts) < 3 {
		return n, false
	}
	n.repository = s.repository(parts[0], parts[1])
	return n, true
}

// mayImage checks the name of an image, and the right to read it.
func (s *Server) mayImage(caller, text string) *apiFault {
	if _, known := s.options.Images[text]; known {
		return nil
	}
	n, ok := s.parseImage(text)
	if !ok {
		return violation("Service.template.containers[0].image: Expected an image path like [host/]repo-path[:tag and/or @digest], where host is %s but obtained %s", s.registry.address, text)
	}
	if !s.may(caller, mayPull, n.repository) {
		return fault(403, fmt.Sprintf("Permission %q denied on resource %q (or it may not exist).", mayPull, n.repository))
	}
	return nil
}

var errNoImage = errors.New("not found")

// pull returns the image of a name, unpacked.
func (r *registry) pull(n imageName) (*image, error) {
	if !r.server.hasRepository(n.repository) {
		return nil, errNoImage
	}
	if err := r.open(); err != nil {
		return nil, err
	}
	data := r.manifest(n.path, n.reference)
	if data == nil {
		return nil, errNoImage
	}
	m, err := r.forThisMachine(n.path, data)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(m)
	digest := hex.EncodeToString(sum[:])
	r.images.mu.Lock()
	defer r.images.mu.Unlock()
	if found := r.images.byDigest[digest]; found != nil {
		return found, nil
	}
	root := filepath.Join(r.dir, "images", digest)
	made, err := r.unpack(m, root)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(root))
	}
	if r.images.byDigest == nil {
		r.images.byDigest = map[string]*image{}
	}
	r.images.byDigest[digest] = made
	return made, nil
}

// forThisMachine chooses from an index. Cloud Run runs linux/amd64 and nothing else.
func (r *registry) forThisMachine(path string, data []byte) ([]byte, error) {
	var kind struct {
		MediaType types.MediaType `json:"mediaType"`
		Manifests []v1.Descriptor `json:"manifests"`
	}
	if err := json.Unmarshal(data, &kind); err != nil {
		return nil, fmt.Errorf("its manifest: %w", err)
	}
	if len(kind.Manifests) == 0 {
		return data, nil
	}
	i := slices.IndexFunc(kind.Manifests, func(d v1.Descriptor) bool {
		return d.Platform != nil && d.Platform.OS == "linux" && d.Platform.Architecture == "amd64"
	})
	if i >= 0 {
		if m := r.manifest(path, kind.Manifests[i].Digest.String()); m != nil {
			return m, nil
		}
	}
	return nil, fmt.Errorf("Container manifest type '%s' must support amd64/linux.", kind.MediaType) //nolint:staticcheck,revive // Google's words
}

// unpack makes the directory of an image.
func (r *registry) unpack(manifest []byte, root string) (*image, error) {
	m, err := v1.ParseManifest(bytes.NewReader(manifest))
	if err != nil {
		return nil, fmt.Errorf("its manifest: %w", err)
	}
	file, err := os.Open(r.blob(m.Config.Digest))
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }() // it was only read
	cfg, err := v1.ParseConfigFile(file)
	if err != nil {
		return nil, fmt.Errorf("its configuration: %w", err)
	}
	if err := runs(cfg.OS, cfg.Architecture); err != nil {
		return nil, err
	}
	user, err := userOf(cfg.Config.User)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(root, 0o755); err != nil { //nolint:gosec // another user may run it
		return nil, err
	}
	tree, err := newTree(root, maxImage)
	if err != nil {
		return nil, err
	}
	defer tree.close()
	for _, layer := range m.Layers {
		if err := tree.add(r.blob(layer.Digest), layer.MediaType); err != nil {
			return nil, fmt.Errorf("layer %s: %w", layer.Digest, err)
		}
	}
	return &image{root, cfg.Config.Env, cfg.Config.Entrypoint, cfg.Config.Cmd, cfg.Config.WorkingDir, user}, nil
}

// runs refuses the image of another machine: of Google's, or of this one, where images run as processes.
func runs(system, machine string) error {
	if system != "linux" || machine != "amd64" {
		return fmt.Errorf("Container image is for %s/%s, and must support amd64/linux.", system, machine) //nolint:staticcheck,revive // as Google would
	}
	if runtime.GOOS != system || runtime.GOARCH != machine {
		return fmt.Errorf("it is for %s/%s as Cloud Run wants it, but the embedded Cloud Run runs images as processes, and this machine is %s/%s", system, machine, runtime.GOOS, runtime.GOARCH)
	}
	return nil
}

// userOf reads the user of an image, which is a number here: no password file of the image is read. Only root can
// become somebody else.
func userOf(text string) (int, error) {
	name, _, _ := strings.Cut(text, ":")
	if name == "" || name == "root" || os.Getuid() != 0 {
		return -1, nil
	}
	id, err := strconv.ParseUint(name, 10, 31)
	if err != nil {
		return 0, fmt.Errorf("its user %q is no number, and the embedded Cloud Run reads no /etc/passwd of an image", name)
	}
	return int(id), nil
}

// start is which file of the image runs, with which arguments: what the service says, or else the image.
// https://cloud.google.com/run/docs/configuring/services/containers#configure-entrypoint
func (i *image) start(command, args []string) (file string, rest []string, err error) {
	if len(command) == 0 {
		command = i.entrypoint
		if len(args) == 0 {
			args = i.command
		}
	}
	all := slices.Concat(command, args)
	if len(all) == 0 {
		return "", nil, errors.New("it has neither entrypoint nor command")
	}
	for _, at := range i.candidates(all[0]) {
		file, err := inRoot(i.root, at)
		if err != nil {
			continue
		}
		if stat, err := os.Stat(file); err == nil && stat.Mode().IsRegular() && stat.Mode()&0o111 != 0 {
			return file, all[1:], nil
		}
	}
	return "", nil, fmt.Errorf("%q is no program in it", all[0])
}

// candidates are the paths in the image that a command may mean.
func (i *image) candidates(command string) (paths []string) {
	switch {
	case path.IsAbs(command):
		return []string{command}
	case strings.Contains(command, "/"):
		return []string{path.Join("/", i.dir, command)}
	}
	list := containerPath
	for _, v := range i.env {
		if value, ok := strings.CutPrefix(v, "PATH="); ok {
			list = value
		}
	}
	for dir := range strings.SplitSeq(list, ":") {
		paths = append(paths, path.Join("/", dir, command))
	}
	return paths
}

// workDir is where the process starts: it must be in the image.
func (i *image) workDir() (string, error) { return inRoot(i.root, path.Join("/", i.dir)) }
