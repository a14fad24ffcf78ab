package objects

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"maps"
	"mime"
	"net/http"
	"strconv"
	"sync/atomic"
)

// A Handler answers requests by what Serve does, and with documents where that fails.
type Handler struct {
	Clock    Clock
	IDHeader string // of answers: the request's number
	IDInside bool   // documents of failures have it, too
	Serve    func(w http.ResponseWriter, r *http.Request) error

	requests atomic.Uint64
}

// refusedBody is how much of a body that is refused is read all the same, and thrown away:
// whoever is cut off while sending may never read why.
const refusedBody = 64 << 20

func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id := strconv.FormatUint(h.requests.Add(1), 16)
	header := w.Header()
	header.Set("Date", h.Clock().UTC().Format(http.TimeFormat))
	header.Set("Server", "lambdapool")
	header[h.IDHeader] = []string{id}
	err := h.Serve(w, r)
	if err == nil {
		return
	}
	f := *FailureOf(err)
	if h.IDInside {
		f.RequestID = id
	}
	if r.ContentLength != 0 {
		_, _ = io.CopyN(io.Discard, r.Body, refusedBody) // whatever it is
	}
	maps.Copy(header, f.Header)
	if f.Status == http.StatusNotModified || r.Method == http.MethodHead {
		w.WriteHeader(f.Status)
		return
	}
	Answer(w, f.Status, &f)
}

// Answer writes an XML document.
func Answer(w http.ResponseWriter, status int, document any) {
	var b bytes.Buffer
	b.WriteString(xml.Header)
	_ = xml.NewEncoder(&b).Encode(document) // all of them can be
	w.Header().Set("Content-Type", "application/xml")
	w.Header().Set("Content-Length", strconv.Itoa(b.Len()))
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // whoever is not there any more needs no answer
}

// MaxDocument bounds what is read of a request's XML: a thousand of the longest keys.
const MaxDocument = 4 << 20

// ReadDocument reads XML, and returns io.EOF where there is none.
func ReadDocument(body Body, into any) error {
	if body.Size() > MaxDocument {
		return Invalid("MaxMessageLengthExceeded", "Your request was too big.")
	}
	data, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	if len(data) == 0 {
		return io.EOF
	}
	return Parse(data, into)
}

// Parse reads XML. What comes after the document, but for blanks and comments, makes it malformed:
// two documents could be read as one or the other.
func Parse(data []byte, into any) error {
	d := xml.NewDecoder(bytes.NewReader(data))
	if d.Decode(into) != nil {
		return MalformedXML()
	}
	for {
		token, err := d.Token()
		switch t := token.(type) {
		case nil:
			if errors.Is(err, io.EOF) {
				return nil
			}
			return MalformedXML()
		case xml.CharData:
			if len(bytes.TrimSpace(t)) > 0 {
				return MalformedXML()
			}
		case xml.Comment:
		default:
			return MalformedXML()
		}
	}
}

// IsForm reports whether a request is a form that stores a file, by what it says of its body.
func IsForm(r *http.Request) bool {
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return r.Method == http.MethodPost && kind == "multipart/form-data" && r.Header.Get("Authorization") == ""
}

// Send answers with n bytes of an object from a position, or says so where the method is HEAD.
func (o *Opened) Send(w http.ResponseWriter, method string, from, n int64, partial bool) {
	h := w.Header()
	h.Set("Content-Length", strconv.FormatInt(n, 10))
	status := http.StatusOK
	if partial {
		h.Set("Content-Range", "bytes "+strconv.FormatInt(from, 10)+"-"+strconv.FormatInt(from+n-1, 10)+"/"+strconv.FormatInt(o.Size, 10))
		status = http.StatusPartialContent
	}
	w.WriteHeader(status)
	if method == http.MethodGet {
		_, _ = io.Copy(w, io.NewSectionReader(o, from, n)) // whoever is not there any more needs no answer
	}
}
