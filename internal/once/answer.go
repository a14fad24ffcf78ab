package once

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// ErrTooLong says that an answer has more bytes than its sender ever sends.
var ErrTooLong = errors.New("the answer is longer than it can be")

// ReadBody reads the whole body, at most limit bytes, and closes it. A body that ends before its
// Content-Length, or before its last chunk, is an error; a longer one is ErrTooLong.
func ReadBody(resp *http.Response, limit int) ([]byte, error) {
	defer resp.Body.Close()
	n := resp.ContentLength
	if n > int64(limit) {
		return nil, ErrTooLong
	}
	if n >= 0 {
		data := make([]byte, n)
		_, err := io.ReadFull(resp.Body, data)
		return data, err
	}
	var buf bytes.Buffer
	m, err := buf.ReadFrom(io.LimitReader(resp.Body, int64(limit)+1))
	if m > int64(limit) {
		err = ErrTooLong
	}
	return buf.Bytes(), err
}

// clipped is how many bytes of a text from the network are shown.
const clipped = 400

// Clip bounds text that comes from the network.
func Clip(s string) string {
	if len(s) > clipped {
		s = s[:clipped] + "…"
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

// longestRetry is the longest wish that is believed: what is beyond it is a mistake.
const longestRetry = time.Hour

// RetryAfter reads the header Retry-After, in seconds or as a date: from 0, also where there is none,
// to an hour.
func RetryAfter(h http.Header, now time.Time) time.Duration {
	v := strings.TrimSpace(h.Get("Retry-After"))
	var d time.Duration
	if seconds, err := strconv.ParseFloat(v, 64); err == nil {
		if seconds > 0 { // and a number
			d = time.Duration(min(seconds, longestRetry.Seconds()) * float64(time.Second))
		}
	} else if at, err := http.ParseTime(v); err == nil {
		d = at.Sub(now)
	}
	return max(0, min(d, longestRetry))
}
