//go:build ignore

// Zip makes the zip of a function from its program: zip.go BOOTSTRAP ZIP.
package main

import (
	"archive/zip"
	"errors"
	"io"
	"log"
	"os"
)

func main() {
	if err := write(os.Args[1], os.Args[2]); err != nil {
		log.Fatal(err)
	}
}

func write(program, path string) (err error) {
	in, err := os.Open(program)
	if err != nil {
		return err
	}
	defer in.Close() //nolint:errcheck // it is only read
	out, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	w := zip.NewWriter(out)
	header := &zip.FileHeader{Name: "bootstrap", Method: zip.Deflate}
	header.SetMode(0o755)
	f, err := w.CreateHeader(header)
	if err != nil {
		return err
	}
	if _, err := io.Copy(f, in); err != nil {
		return err
	}
	return w.Close()
}
