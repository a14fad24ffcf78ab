package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"

	"github.com/lambdapool/lambdapool/internal/s3local"
	"github.com/lambdapool/lambdapool/internal/tempdir"
)

// storeFlags are those of the bucket of `lambdapool local`.
type storeFlags struct {
	bucket, data, address string
}

// config is what can be checked before a directory is there.
func (f *storeFlags) config() *s3local.Config {
	return &s3local.Config{Address: f.address, Buckets: []string{f.bucket}}
}

// A localStore is the bucket, with the keys for all services: Lambda and S3 of this machine know
// the same user.
type localStore struct {
	server *s3local.Server
	keys   keyPair
	close  func() error
}

// A keyPair is what requests are signed with.
type keyPair struct {
	AccessKeyID     string `json:"accessKeyId"`
	SecretAccessKey string `json:"secretAccessKey"`
}

// open serves the bucket, from a directory that is removed in the end if there is no --data.
func (f *storeFlags) open() (_ *localStore, err error) {
	cfg := f.config()
	cfg.Dir = f.data
	remove := func() error { return nil }
	if f.data == "" {
		dir, err := tempdir.Make("lambdapool-data-")
		if err != nil {
			return nil, err
		}
		cfg.Dir, remove = dir.Path, dir.Remove
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("store: %w", err), remove())
		}
	}()
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, err
	}
	keys, err := keysIn(cfg.Dir)
	if err != nil {
		return nil, err
	}
	cfg.AccessKeyID, cfg.SecretAccessKey = keys.AccessKeyID, keys.SecretAccessKey
	server, err := s3local.Open(*cfg)
	if err != nil {
		return nil, err
	}
	return &localStore{server, keys, func() error { return errors.Join(server.Close(), remove()) }}, nil
}

// keysIn returns the keys that a directory keeps: who has them, and links that were signed
// with them, are served after a restart too. It makes some where there are none.
func keysIn(dir string) (keyPair, error) {
	path := filepath.Join(dir, "credentials.json")
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		keys := keyPair{"AKIALOCAL" + rand.Text()[:11], rand.Text() + rand.Text()}
		if data, err = json.Marshal(keys); err == nil {
			err = writeOnce(path, data)
		}
		return keys, err
	}
	var keys keyPair
	if err == nil {
		err = json.Unmarshal(data, &keys)
	}
	if err == nil && (keys.AccessKeyID == "" || keys.SecretAccessKey == "") {
		err = errors.New("no keys in it")
	}
	if err != nil {
		return keys, fmt.Errorf("%s: %w (remove it, and new keys are made)", path, err)
	}
	return keys, nil
}

// writeOnce makes a file that is whole as soon as it is there.
func writeOnce(path string, data []byte) error {
	if err := os.WriteFile(path+".new", data, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// addresses are where the services of a directory were last, and are again if that can be:
// links in queued events, and what programs were told, hold after a restart.
type addresses struct {
	Lambda string `json:"lambda"`
	S3     string `json:"s3"`
}

// addressFile is in the directory of --data.
const addressFile = "addresses.json"

// addressesIn returns none where none are kept.
func addressesIn(dir string) addresses {
	var kept addresses
	if dir == "" {
		return kept
	}
	data, err := os.ReadFile(filepath.Join(dir, addressFile))
	if err != nil || json.Unmarshal(data, &kept) != nil {
		return addresses{} // new ones do as well
	}
	return kept
}

// write keeps the addresses for the next start.
func (w addresses) write(dir string) error {
	data, err := json.Marshal(w)
	if err != nil {
		return err
	}
	return writeOnce(filepath.Join(dir, addressFile), data)
}

// canListen says whether an address is free.
func canListen(address string) bool {
	if address == "" {
		return false
	}
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp4", address)
	if err != nil {
		return false
	}
	return listener.Close() == nil
}

// object reads code that a request to Lambda names by bucket and key.
func (l *localStore) object(_ context.Context, bucket, key string) ([]byte, error) {
	return l.server.Read(bucket, key, maxCode+1)
}

// maxCode is the size of a zip at most, in bytes; one more is too large, which Lambda says.
const maxCode = 50 << 20
