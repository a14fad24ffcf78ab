package wire

import (
	"errors"
	"io"
	"net/http"
)

// ReadBody reads a body of at most limit bytes; the error of a longer one
// is an *http.MaxBytesError. The rest of that is read and dropped, up to a
// bound, so that its sender can hear the answer.
func ReadBody(r *http.Request, limit int) ([]byte, error) {
	body := http.MaxBytesReader(nil, r.Body, int64(limit))
	if n := r.ContentLength; n >= 0 && n <= int64(limit) {
		data := make([]byte, n)
		_, err := io.ReadFull(body, data)
		return data, err
	}
	data, err := io.ReadAll(body)
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		_, _ = io.CopyN(io.Discard, r.Body, maxDrain) // it ends early for most
	}
	return data, err
}

// maxDrain is how much of an oversized body is read and dropped. A sender of
// more loses its connection.
const maxDrain = 64 << 20
