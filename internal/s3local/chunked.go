package s3local

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"strconv"
	"strings"

	"github.com/lambdapool/lambdapool/internal/objects"
)

// How a body is sent in chunks. Source:
// docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html and -streaming-trailers.html, 2026-11.
const (
	streaming        = "STREAMING-"
	signedChunks     = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
	signedTrailer    = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
	unsignedTrailer  = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
	trailerSignature = "x-amz-trailer-signature"
)

// maxLine bounds the first line of a chunk and each of a trailer, in bytes.
const maxLine = 1 << 10

// A chunked reads a body that is sent in chunks, each of which may be signed.
type chunked struct {
	r       *bufio.Reader
	signed  *signature // nil: chunks are not
	want    string     // the signature of this chunk
	last    string     // the one before
	sum     hash.Hash  // of this chunk
	left    int64      // of it
	names   string     // what the trailer has, as was announced; empty: there is none
	trailer string     // the checksum in it
	err     error
}

// newChunked reads body, which hash says how to read. trailer is the header that comes at its
// end, or empty.
func newChunked(body io.Reader, hash string, s *signature, trailer string) (*chunked, error) {
	c := &chunked{r: bufio.NewReaderSize(body, 32<<10), names: trailer, last: s.value}
	switch hash {
	case signedChunks, signedTrailer:
		c.signed = s
	case unsignedTrailer:
	default:
		return nil, objects.NotServed("a body sent as " + hash)
	}
	if (trailer == "") != (hash == signedChunks) {
		return nil, objects.Invalid("InvalidRequest", "The x-amz-trailer header and the x-amz-content-sha256 header contradict each other.")
	}
	return c, nil
}

// Read returns what the chunks hold. Bytes are handed out before the signature of their chunk is
// compared: whoever reads must not believe them before the end, where the error would be.
func (c *chunked) Read(p []byte) (int, error) {
	for c.err == nil && c.left == 0 {
		if c.err = c.next(); c.err == nil && c.left == 0 {
			c.err = c.finish()
		}
	}
	if c.err != nil {
		return 0, c.err
	}
	n, err := c.r.Read(p[:min(int64(len(p)), c.left)])
	c.left -= int64(n)
	if c.signed != nil {
		c.sum.Write(p[:n])
	}
	if err != nil {
		c.err = unexpected(err)
		return n, c.err
	}
	if c.left == 0 {
		c.err = c.close()
	}
	return n, c.err
}

// unexpected is of a body that ends before it says so.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// line reads a line without its end.
func (c *chunked) line() (string, error) {
	line, err := c.r.ReadSlice('\n')
	if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
		return "", unexpected(err)
	}
	line, ok := bytes.CutSuffix(line, []byte("\r\n"))
	if !ok || len(line) > maxLine {
		return "", objects.IncompleteBody()
	}
	return string(line), nil
}

// next begins a chunk.
func (c *chunked) next() error {
	line, err := c.line()
	if err != nil {
		return err
	}
	size, extension, _ := strings.Cut(line, ";")
	n, err := strconv.ParseUint(size, 16, 40)
	if err != nil {
		return objects.IncompleteBody()
	}
	c.left = int64(n)
	if c.signed != nil {
		var ok bool
		if c.want, ok = strings.CutPrefix(extension, "chunk-signature="); !ok {
			return mismatch()
		}
		c.sum = sha256.New()
	}
	return nil
}

// close ends a chunk.
func (c *chunked) close() error {
	if err := c.checkChunk(); err != nil {
		return err
	}
	line, err := c.line()
	if err == nil && line != "" {
		err = objects.IncompleteBody()
	}
	return err
}

// checkChunk compares the signature of a chunk, which covers that of the chunk before: none can be
// left out, doubled or moved.
func (c *chunked) checkChunk() error {
	if c.signed == nil {
		return nil
	}
	empty := sha256.Sum256(nil)
	text := algorithm + "-PAYLOAD\n" + c.signed.date + "\n" + c.signed.scope + "\n" + c.last + "\n" +
		hex.EncodeToString(empty[:]) + "\n" + hex.EncodeToString(c.sum.Sum(nil))
	if !matches(c.signed.key, text, c.want) {
		return mismatch()
	}
	c.last = c.want
	return nil
}

// finish reads to the end of the body, and returns io.EOF where all is as it should be.
func (c *chunked) finish() error {
	if err := c.end(); err != nil {
		return err
	}
	if _, err := c.r.ReadByte(); !errors.Is(err, io.EOF) {
		return objects.IncompleteBody()
	}
	return io.EOF
}

// end reads what comes after the last chunk, which is empty.
func (c *chunked) end() error {
	if err := c.checkChunk(); err != nil {
		return err
	}
	if c.names == "" {
		line, err := c.line()
		if errors.Is(err, io.ErrUnexpectedEOF) || err == nil && line == "" { // some leave it out
			return nil
		}
		return objects.IncompleteBody()
	}
	var all strings.Builder // as it is signed
	signed := ""
	for {
		line, err := c.line()
		if errors.Is(err, io.ErrUnexpectedEOF) && c.trailer != "" {
			break // some leave the last empty line out
		}
		if err != nil {
			return err
		}
		if line == "" {
			if c.trailer == "" || c.signed != nil && signed == "" {
				return objects.Invalid("MalformedTrailerError", "The request contained trailing data that was not well-formed or did not conform to our published schema.")
			}
			break
		}
		name, value, _ := strings.Cut(line, ":")
		name, value = strings.ToLower(strings.TrimSpace(name)), strings.TrimSpace(value)
		switch {
		case name == trailerSignature && signed == "":
			signed = value
		case name == c.names && c.trailer == "" && signed == "":
			c.trailer = value
			all.WriteString(name + ":" + value + "\n")
		default:
			return objects.Invalid("MalformedTrailerError", "The request contained trailing data that was not well-formed or did not conform to our published schema.")
		}
	}
	return c.checkTrailer(all.String(), signed)
}

// checkTrailer compares the signature of the trailer, and looks whether its checksum is one.
func (c *chunked) checkTrailer(all, value string) error {
	if data, err := base64.StdEncoding.DecodeString(c.trailer); err != nil || len(data) != checksumOf(c.names).make().Size() {
		return objects.Invalid("InvalidRequest", "Value for %s trailing header is invalid.", c.names)
	}
	if c.signed == nil {
		return nil
	}
	sum := sha256.Sum256([]byte(all))
	text := algorithm + "-TRAILER\n" + c.signed.date + "\n" + c.signed.scope + "\n" + c.last + "\n" + hex.EncodeToString(sum[:])
	if !matches(c.signed.key, text, value) {
		return mismatch()
	}
	return nil
}
