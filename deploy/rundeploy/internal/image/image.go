// Package image makes container images of agents, and pushes them to a registry, without Docker.
package image

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/pem"
	"fmt"
	"io"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/crypto/x509roots/fallback/bundle"
)

const (
	program = "agent" // at the root
	roots   = "etc/ssl/certs/ca-certificates.crt"

	// user has no name in the image. It is the one that distroless images call nonroot.
	user = "65532:65532"
)

// Of makes an image of a static executable for linux/amd64: one layer with the program, the certificates of
// authorities, and a directory for temporary files. There is nothing else in it: no shell, no time zones. The same
// program gives the same digest on every machine.
func Of(executable []byte) (v1.Image, error) {
	content, err := pack(executable)
	if err != nil {
		return nil, fmt.Errorf("pack the layer: %w", err)
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil },
		tarball.WithCompressionLevel(gzip.BestSpeed), tarball.WithMediaType(types.OCILayer))
	if err != nil {
		return nil, fmt.Errorf("compress the layer: %w", err)
	}
	base := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	img, err := mutate.ConfigFile(base, &v1.ConfigFile{
		OS: "linux", Architecture: "amd64", Created: v1.Time{Time: time.Unix(0, 0).UTC()}, RootFS: v1.RootFS{Type: "layers"},
		Config: v1.Config{Entrypoint: []string{"/" + program}, User: user, WorkingDir: "/tmp"},
	})
	if err != nil {
		return nil, err
	}
	return mutate.AppendLayers(img, layer)
}

// Command starts the program of an archive of [Archive], from its root.
const Command = "./" + program

// Archive makes a tar.gz with the executable and nothing else: what an image has besides is the base image's where there
// is none. The same program gives the same bytes on every machine.
func Archive(executable []byte) ([]byte, error) {
	content, err := write([]file{{program, 0o755, executable}})
	if err != nil {
		return nil, fmt.Errorf("pack the archive: %w", err)
	}
	var out bytes.Buffer
	z, err := gzip.NewWriterLevel(&out, gzip.BestSpeed)
	if err != nil {
		return nil, err
	}
	if _, err := z.Write(content); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// A file is one of an image or an archive. Without data it is a directory.
type file struct {
	name string
	mode int64
	data []byte
}

// pack writes the files of an image.
func pack(executable []byte) ([]byte, error) {
	return write([]file{
		{"etc/", 0o755, nil},
		{"etc/ssl/", 0o755, nil},
		{"etc/ssl/certs/", 0o755, nil},
		{roots, 0o644, authorities()},
		{"tmp/", 0o1777, nil},
		{program, 0o755, executable},
	})
}

// write makes a tar. All files are as old as Unix.
func write(files []file) ([]byte, error) {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, f := range files {
		h := &tar.Header{Name: f.name, Mode: f.mode, Size: int64(len(f.data)), ModTime: time.Unix(0, 0), Typeflag: tar.TypeReg, Format: tar.FormatPAX}
		if f.data == nil {
			h.Typeflag = tar.TypeDir
		}
		if err := w.WriteHeader(h); err != nil {
			return nil, err
		}
		if _, err := w.Write(f.data); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// authorities are those that Mozilla trusts, as PEM. Those that it trusts with a condition are left out: PEM cannot
// say one. They are the same wherever the image is made: this machine's own are of no use to an image.
func authorities() []byte {
	var out bytes.Buffer
	for root := range bundle.Roots() {
		if root.Constraint == nil {
			_ = pem.Encode(&out, &pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}) // a Buffer takes it
		}
	}
	return out.Bytes()
}
