package s3local_test

import (
	"bufio"
	"bytes"
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"hash/crc64"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// sums are the checksums of a body, by header.
func sums(body string) map[string]string {
	encode := base64.StdEncoding.EncodeToString
	data := []byte(body)
	md, one, two := md5.Sum(data), sha1.Sum(data), sha256.Sum256(data)
	castagnoli := crc32.New(crc32.MakeTable(crc32.Castagnoli))
	nvme := crc64.New(crc64.MakeTable(0x9a6c9329ac4bc9b5))
	_, _ = castagnoli.Write(data) // never fails
	_, _ = nvme.Write(data)       // never fails
	ieee := crc32.NewIEEE()
	_, _ = ieee.Write(data) // never fails
	return map[string]string{
		"content-md5": encode(md[:]), "x-amz-checksum-sha1": encode(one[:]), "x-amz-checksum-sha256": encode(two[:]),
		"x-amz-checksum-crc32": encode(ieee.Sum(nil)), "x-amz-checksum-crc32c": encode(castagnoli.Sum(nil)), "x-amz-checksum-crc64nvme": encode(nvme.Sum(nil)),
	}
}

// The polynomial is the one that AWS means.
func TestCRC64NVME(t *testing.T) {
	t.Parallel()
	if got := sums("123456789")["x-amz-checksum-crc64nvme"]; got != base64.StdEncoding.EncodeToString([]byte{0xae, 0x8b, 0x14, 0x86, 0x0a, 0x79, 0x98, 0x88}) {
		t.Error(got)
	}
}

// A body that is not what its request says is refused, and nothing is stored.
func TestWrongSums(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	for _, body := range []string{"small", strings.Repeat("large", 10_000)} {
		for header, right := range sums(body) {
			wrong := sums("other")[header]
			for value, want := range map[string]string{right: "", wrong: "BadDigest", "x": "Invalid", right[1:]: "Invalid", "": "Invalid"} {
				for _, path := range []string{"/wrong", "/" + header} {
					if (path == "/wrong") == (want == "") {
						continue
					}
					got := s.do(t, call{method: http.MethodPut, path: path, body: body, header: map[string]string{header: value}})
					if want == "" && got.status != http.StatusOK || want != "" && (got.status != http.StatusBadRequest || !strings.HasPrefix(got.code(), want)) {
						t.Errorf("%s: %q: %d %s, want %s", header, value, got.status, got.body, want)
					}
					if want == "" && header != "content-md5" && got.header.Get(header) != right {
						t.Errorf("%s comes back as %q", header, got.header.Get(header))
					}
				}
			}
			if header != "content-md5" {
				head := s.do(t, call{method: http.MethodHead, path: "/" + header, header: map[string]string{"x-amz-checksum-mode": "ENABLED"}})
				if head.header.Get(header) != right || head.header.Get("x-amz-checksum-type") != "FULL_OBJECT" {
					t.Errorf("%s: %v", header, head.header)
				}
			}
		}
		two := map[string]string{"x-amz-checksum-sha1": sums(body)["x-amz-checksum-sha1"], "x-amz-checksum-crc32": sums(body)["x-amz-checksum-crc32"]}
		for name, header := range map[string]map[string]string{
			"two": two, "none that is named": {"x-amz-sdk-checksum-algorithm": "CRC32"}, "unknown": {"x-amz-sdk-checksum-algorithm": "ROT13"},
			"another than is named": {"x-amz-sdk-checksum-algorithm": "SHA1", "x-amz-checksum-crc32": sums(body)["x-amz-checksum-crc32"]},
		} {
			if got := s.do(t, call{method: http.MethodPut, path: "/wrong", body: body, header: header}); got.code() != "InvalidRequest" {
				t.Errorf("%s: %d %s", name, got.status, got.body)
			}
		}
	}
	if got := s.get(t, "wrong"); got != "NoSuchKey" {
		t.Errorf("stored: %.100q", got)
	}
	if n := files(t, dir); n != 6 {
		t.Errorf("%d files of 6 large objects", n)
	}
}

// A range comes without the sum of the whole, by whatever way it is asked for; the whole comes
// with it.
func TestRanges(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	put := call{method: http.MethodPut, path: "/a", body: "0123456789", header: map[string]string{"x-amz-checksum-crc32": sums("0123456789")["x-amz-checksum-crc32"]}}
	if got := s.do(t, put); got.status != http.StatusOK {
		t.Fatal(got)
	}
	for asked, want := range map[string]string{
		"bytes=2-3": "206 bytes 2-3/10 23", "bytes=8-": "206 bytes 8-9/10 89", "bytes=-3": "206 bytes 7-9/10 789", "bytes=0-0": "206 bytes 0-0/10 0",
		"bytes=5-100": "206 bytes 5-9/10 56789", "bytes=0-": "206 bytes 0-9/10 0123456789", "bytes=-100": "206 bytes 0-9/10 0123456789",
		"bytes=10-": "416 bytes */10 InvalidRange", "bytes=-0": "416 bytes */10 InvalidRange",
		"bytes=3-2": "200  0123456789", "bytes=x": "200  0123456789", "lines=1-2": "200  0123456789", "bytes=1-2,4-5": "200  0123456789",
	} {
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			got := s.do(t, call{method: method, path: "/a", header: map[string]string{"range": asked, "x-amz-checksum-mode": "ENABLED"}})
			body := got.body
			if got.status >= 400 {
				body = got.code()
			}
			said := fmt.Sprint(got.status, " ", got.header.Get("Content-Range"), " ", body)
			if method == http.MethodHead {
				want = want[:strings.LastIndex(want, " ")+1]
			}
			if said != want {
				t.Errorf("%s %s: %s, want %s", method, asked, said, want)
			}
			whole := got.status == http.StatusOK
			if got.header.Get("x-amz-checksum-crc32") != "" != whole || got.header.Get("x-amz-checksum-type") != "" != whole {
				t.Errorf("%s %s: %v", method, asked, got.header)
			}
		}
	}
	if err := s.put(t.Context(), "empty", ""); err != nil {
		t.Fatal(err)
	}
	for asked, want := range map[string]int{"bytes=0-0": 416, "bytes=-1": 416, "": 200} {
		header := map[string]string{"range": asked}
		if asked == "" {
			header = nil
		}
		if got := s.do(t, call{method: http.MethodGet, path: "/empty", header: header}); got.status != want || got.status == 200 && got.body != "" {
			t.Errorf("%s of nothing: %d %s", asked, got.status, got.body)
		}
	}
}

// chunk writes a chunk, signed if key is not nil, after the signature before.
func chunk(key []byte, scope, before, data string) (text, signature string) {
	text = fmt.Sprintf("%x", len(data))
	if key != nil {
		empty, sum := sha256.Sum256(nil), sha256.Sum256([]byte(data))
		signature = hex.EncodeToString(mac(key, "AWS4-HMAC-SHA256-PAYLOAD\n"+scope+"\n"+before+"\n"+hex.EncodeToString(empty[:])+"\n"+hex.EncodeToString(sum[:])))
		text += ";chunk-signature=" + signature
	}
	text += "\r\n" + data
	if data != "" {
		text += "\r\n"
	}
	return text, signature
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

// Bodies in chunks, with trailers and without, signed and not, are what was signed, or
// nothing is stored.
func TestChunkedBodies(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	for _, data := range []string{"streamed", strings.Repeat("streamed", 10_000)} {
		crc := sums(data)["x-amz-checksum-crc32c"]
		for name, tt := range map[string]struct {
			hash   string
			sum    string
			change func(body string) string
			length int // besides that of the data
			want   string
		}{
			"signed":                      {hash: "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"},
			"signed, with a trailer":      {hash: "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", sum: crc},
			"a trailer":                   {hash: "STREAMING-UNSIGNED-PAYLOAD-TRAILER", sum: crc},
			"a wrong trailer":             {hash: "STREAMING-UNSIGNED-PAYLOAD-TRAILER", sum: "AAAAAA==", want: "BadDigest"},
			"a wrong trailer, signed":     {hash: "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", sum: "AAAAAA==", want: "BadDigest"},
			"no sum":                      {hash: "STREAMING-UNSIGNED-PAYLOAD-TRAILER", sum: "x", want: "InvalidRequest"},
			"another byte":                {hash: "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", change: func(b string) string { return strings.Replace(b, "\r\ns", "\r\nt", 1) }, want: "SignatureDoesNotMatch"},
			"another signature":           {hash: "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", change: func(b string) string { return strings.Replace(b, "signature=", "signature=0", 1) }, want: "SignatureDoesNotMatch"},
			"no signature":                {hash: "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", change: func(b string) string { return strings.Replace(b, ";chunk-", ";", 1) }, want: "SignatureDoesNotMatch"},
			"another trailer":             {hash: "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", sum: crc, change: func(b string) string { return strings.Replace(b, crc, "AAAAAA==", 1) }, want: "SignatureDoesNotMatch"},
			"a trailer without signature": {hash: "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", sum: crc, change: func(b string) string { return until(b, "x-amz-trailer-signature") + "\r\n" }, want: "MalformedTrailerError"},
			"the last chunk is missing":   {hash: "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", change: func(b string) string { return b[:strings.LastIndex(b, "0;chunk")] }, want: "IncompleteBody"},
			"no trailer":                  {hash: "STREAMING-UNSIGNED-PAYLOAD-TRAILER", sum: crc, change: func(b string) string { return until(b, "x-amz-checksum") + "\r\n" }, want: "MalformedTrailerError"},
			"other trailer":               {hash: "STREAMING-UNSIGNED-PAYLOAD-TRAILER", sum: crc, change: func(b string) string { return strings.Replace(b, "crc32c", "sha1", 1) }, want: "MalformedTrailerError"},
			"more at the end":             {hash: "STREAMING-UNSIGNED-PAYLOAD-TRAILER", sum: crc, change: func(b string) string { return b + "more" }, want: "IncompleteBody"},
			"a longer length":             {hash: "STREAMING-UNSIGNED-PAYLOAD-TRAILER", sum: crc, length: 1, want: "IncompleteBody"},
			"a shorter length":            {hash: "STREAMING-UNSIGNED-PAYLOAD-TRAILER", sum: crc, length: -1, want: "IncompleteBody"},
			"no chunk":                    {hash: "STREAMING-UNSIGNED-PAYLOAD-TRAILER", sum: crc, change: func(string) string { return data }, want: "IncompleteBody"},
			"a line without end":          {hash: "STREAMING-UNSIGNED-PAYLOAD-TRAILER", sum: crc, change: func(string) string { return strings.Repeat("0", 100_000) }, want: "IncompleteBody"},
		} {
			header := map[string]string{"x-amz-decoded-content-length": fmt.Sprint(len(data) + tt.length), "content-encoding": "aws-chunked,x-y"}
			if tt.sum != "" {
				header["x-amz-trailer"] = "x-amz-checksum-crc32c"
			}
			key := strings.NewReplacer(" ", "-", ",", "").Replace(name)
			r := s.signed(t, call{method: http.MethodPut, path: "/" + key, header: header, hash: tt.hash})
			body := chunks(r, tt.hash, data, tt.sum)
			if tt.change != nil {
				body = tt.change(body)
			}
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
			got := send(t, r)
			if tt.want == "" && got.status != http.StatusOK || tt.want != "" && got.code() != tt.want {
				t.Errorf("%s: %d %s, want %s", name, got.status, got.body, tt.want)
			}
			stored := s.do(t, call{method: http.MethodGet, path: "/" + key})
			if tt.want == "" && (stored.body != data || stored.header.Get("Content-Encoding") != "x-y") || tt.want != "" && stored.code() != "NoSuchKey" {
				t.Errorf("%s: stored %d %.100q %v", name, stored.status, stored.body, stored.header)
			}
		}
	}
	if n := files(t, dir); n != 3 {
		t.Errorf("%d files of 3 objects", n)
	}
}

// until returns what is before the first end.
func until(s, end string) string {
	s, _, _ = strings.Cut(s, end)
	return s
}

// chunks is how a body is sent by a request that is signed.
func chunks(r *http.Request, hash, data, sum string) string {
	_, credential, _ := strings.Cut(r.Header.Get("Authorization"), "Credential=")
	credential, _, _ = strings.Cut(credential, ",")
	_, before, _ := strings.Cut(r.Header.Get("Authorization"), "Signature=")
	_, scope, _ := strings.Cut(credential, "/")
	key := []byte("AWS4" + secret)
	for part := range strings.SplitSeq(scope, "/") {
		key = mac(key, part)
	}
	scope = r.Header.Get("X-Amz-Date") + "\n" + scope
	if strings.Contains(hash, "UNSIGNED") {
		key = nil
	}
	var b bytes.Buffer
	for _, part := range []string{data[:3], data[3:], ""} {
		var text string
		text, before = chunk(key, scope, before, part)
		b.WriteString(text)
	}
	if sum != "" {
		trailer := "x-amz-checksum-crc32c:" + sum
		b.WriteString(trailer + "\r\n")
		if key != nil {
			all := sha256.Sum256([]byte(trailer + "\n"))
			b.WriteString("x-amz-trailer-signature:" + hex.EncodeToString(mac(key, "AWS4-HMAC-SHA256-TRAILER\n"+scope+"\n"+before+"\n"+hex.EncodeToString(all[:]))) + "\r\n")
		}
	}
	b.WriteString("\r\n")
	return b.String()
}

// User metadata keys come back as S3 writes them: a client may take the case of a header for
// that of the key.
func TestMetadata(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	_, err := s.PutObject(t.Context(), &s3.PutObjectInput{
		Bucket: aws.String(bucket), Key: aws.String("a"), Body: strings.NewReader("x"), Metadata: map[string]string{"some-key": "v"},
		ContentType: aws.String("text/x"), CacheControl: aws.String("no-store"), ContentDisposition: aws.String("attachment"), ContentLanguage: aws.String("de"),
		ServerSideEncryption: types.ServerSideEncryptionAes256, Tagging: aws.String("k=v%20w&l="),
	})
	if err != nil {
		t.Fatal(err)
	}
	r := s.signed(t, call{method: http.MethodGet, path: "/a"})
	var raw bytes.Buffer
	got := wire(t, r, &raw)
	if !strings.Contains(raw.String(), "\r\nx-amz-meta-some-key: v\r\n") || !strings.Contains(raw.String(), "\r\nETag: ") {
		t.Errorf("%s", raw.String())
	}
	for name, want := range map[string]string{
		"Content-Type": "text/x", "Cache-Control": "no-store", "Content-Disposition": "attachment", "Content-Language": "de",
		"X-Amz-Server-Side-Encryption": "AES256", "X-Amz-Tagging-Count": "2", "Accept-Ranges": "bytes",
	} {
		if got.Get(name) != want {
			t.Errorf("%s: %q, want %q", name, got.Get(name), want)
		}
	}
	if got := s.do(t, call{method: http.MethodPut, path: "/b", header: map[string]string{"x-amz-meta-long": strings.Repeat("x", 2100)}}); got.code() != "MetadataTooLarge" {
		t.Errorf("%d %s", got.status, got.body)
	}
	for _, tags := range []string{"a=1&a=2", "=1", strings.Repeat("k", 129) + "=1", "a=" + strings.Repeat("v", 257), "a=1&b=1&c=1&d=1&e=1&f=1&g=1&h=1&i=1&j=1&k=1", "%zz"} {
		if got := s.do(t, call{method: http.MethodPut, path: "/b", header: map[string]string{"x-amz-tagging": tags}}); got.status != http.StatusBadRequest {
			t.Errorf("%.50s: %d %s", tags, got.status, got.body)
		}
	}
	if got := s.do(t, call{method: http.MethodPut, path: "/b", header: map[string]string{"x-amz-tagging": "%zz"}}); !strings.Contains(got.body, "query parameters without tag name duplicates.") {
		t.Errorf("%s", got.body)
	}
	if got := s.get(t, "b"); got != "NoSuchKey" {
		t.Errorf("stored: %s", got)
	}
}

// wire sends a request, and keeps what came back as it came.
func wire(t *testing.T, r *http.Request, raw io.Writer) http.Header {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", r.URL.Host)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	r.Close = true
	if err := r.Write(conn); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(io.TeeReader(conn, raw)), r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	return resp.Header
}
