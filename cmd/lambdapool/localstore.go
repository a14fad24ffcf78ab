package main

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/lambdapool/lambdapool/internal/s3local"
)

// storeFlags are those of the bucket of `lambdapool local`.
type storeFlags struct {
	bucket, data, address string
}

func (f *storeFlags) config() *s3local.Config {
	return &s3local.Config{Address: f.address, Buckets: []string{f.bucket}}
}

// A localStore is the bucket, with the keys for all services.
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
		if cfg.Dir, err = os.MkdirTemp("", "lambdapool-data-"); err != nil {
			return nil, err
		}
		remove = func() error { return os.RemoveAll(cfg.Dir) }
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
