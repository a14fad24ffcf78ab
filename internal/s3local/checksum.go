package s3local

import (
	"crypto/sha1" //nolint:gosec // one of S3's checksums
	"crypto/sha256"
	"encoding/base64"
	"hash"
	"hash/crc32"
	"hash/crc64"
	"slices"
	"strings"

	"github.com/lambdapool/lambdapool/internal/objects"
)

// A checksum is one of the algorithms by which a client can have its bytes checked. Source:
// docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html, 2026-11.
type checksum struct {
	name      string // as clients name it
	header    string
	make      func() hash.Hash
	whole     bool // the one of an upload in parts can be that of the whole object
	composite bool // or one of those of the parts
}

// Headers of checksums. Since 2025 SDKs send one with each object, unless they are told not to.
const (
	checksumPrefix = "x-amz-checksum-"
	sdkAlgorithm   = "x-amz-sdk-checksum-algorithm"
)

var (
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
	nvme       = crc64.MakeTable(0x9a6c9329ac4bc9b5) // the polynomial of NVMe, reversed

	checksums = []*checksum{
		{"CRC32", checksumPrefix + "crc32", func() hash.Hash { return crc32.NewIEEE() }, true, true},
		{"CRC32C", checksumPrefix + "crc32c", func() hash.Hash { return crc32.New(castagnoli) }, true, true},
		crc64nvme,
		{"SHA1", checksumPrefix + "sha1", sha1.New, false, true},
		{"SHA256", checksumPrefix + "sha256", sha256.New, false, true},
	}
	// crc64nvme is taken where the client names none.
	crc64nvme = &checksum{"CRC64NVME", checksumPrefix + "crc64nvme", func() hash.Hash { return crc64.New(nvme) }, true, false}
)

// checksumNamed finds the algorithm that a client names.
func checksumNamed(name string) (*checksum, error) {
	i := slices.IndexFunc(checksums, func(c *checksum) bool { return c.name == name })
	if i < 0 {
		return nil, objects.Invalid("InvalidRequest", "Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]")
	}
	return checksums[i], nil
}

// checksumOf returns the algorithm whose header it is, or nil.
func checksumOf(header string) *checksum {
	i := slices.IndexFunc(checksums, func(c *checksum) bool { return c.header == header })
	if i < 0 {
		return nil
	}
	return checksums[i]
}

// An expected checksum is what a request says of its body.
type expected struct {
	algorithm *checksum // nil: none is named
	value     string    // base64; empty: it comes in the trailer
	trailer   bool
	any       bool // it is asked for, not known
}

// expectation reads what a request, or a form, says of its body's checksum.
func expectation(header map[string]string) (expected, error) {
	var e expected
	for _, c := range checksums {
		value, ok := header[c.header]
		if !ok {
			continue
		}
		if e.algorithm != nil {
			return e, objects.Invalid("InvalidRequest", "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.")
		}
		if data, err := base64.StdEncoding.DecodeString(value); err != nil || len(data) != c.make().Size() {
			return e, objects.Invalid("InvalidRequest", "Value for %s header is invalid.", c.header)
		}
		e.algorithm, e.value = c, value
	}
	if name, ok := header["x-amz-trailer"]; ok {
		c := checksumOf(strings.ToLower(name))
		if c == nil {
			return e, objects.Invalid("InvalidRequest", "The value specified in the x-amz-trailer header is not supported")
		}
		if e.algorithm != nil {
			return e, objects.Invalid("InvalidRequest", "Expecting a single x-amz-checksum- header")
		}
		e.algorithm, e.trailer = c, true
	}
	name, named := header[sdkAlgorithm]
	if !named {
		return e, nil
	}
	c, err := checksumNamed(strings.ToUpper(name))
	switch {
	case err != nil:
		return e, err
	case e.algorithm == nil:
		return e, objects.Invalid("InvalidRequest", "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers were found.")
	case e.algorithm != c:
		return e, objects.Invalid("InvalidRequest", "Value for x-amz-sdk-checksum-algorithm header is invalid.")
	}
	return e, nil
}
