// Package s3local is an object store on this machine, for those who have no S3: the part
// of its API that lambdapool uses, and some more, on loopback, with the objects in a
// directory. What was stored is there after the process was killed, whole or not at all;
// it is not forced to the disk, so a power failure may take the last of it.
//
// Requests must name the access key, and links must not have expired. Signatures are not
// verified.
package s3local

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"log"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/johannesboyne/gofakes3"
)

// A Config is what [Open] needs.
type Config struct {
	Dir         string   // where objects are kept; made if it does not exist
	Address     string   // of loopback, IP:PORT; empty: any free port of 127.0.0.1
	AccessKeyID string   // that requests must name; empty: any
	Buckets     []string // that are there from the beginning
}

// A Server serves the objects of one directory. Safe for concurrent use.
type Server struct {
	endpoint string
	disk     *disk
	http     *http.Server
}

// Open begins to serve. It fails when another process has the directory open. The caller
// closes the Server.
func Open(cfg Config) (_ *Server, err error) {
	if cfg.Address == "" {
		cfg.Address = "127.0.0.1:0"
	}
	addr, err := netip.ParseAddrPort(cfg.Address)
	switch {
	case err != nil:
		return nil, fmt.Errorf("address %q: %w (it is IP:PORT, such as 127.0.0.1:9000)", cfg.Address, err)
	case !addr.Addr().IsLoopback():
		return nil, fmt.Errorf("address %q: not on loopback, such as 127.0.0.1:%d", cfg.Address, addr.Port())
	}
	for _, name := range cfg.Buckets {
		if gofakes3.ValidateBucketName(name) != nil {
			return nil, fmt.Errorf("bucket %q: a name is 3 to 63 lower-case letters, digits, dots and hyphens", name)
		}
	}
	disk, err := openDisk(cfg.Dir)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, disk.close())
		}
	}()
	for _, name := range cfg.Buckets {
		if err := disk.CreateBucket(name); err != nil && !gofakes3.HasErrorCode(err, gofakes3.ErrBucketAlreadyExists) {
			return nil, fmt.Errorf("bucket %q: %w", name, err)
		}
	}
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", cfg.Address)
	if err != nil {
		return nil, err
	}
	s := &Server{
		endpoint: "http://" + listener.Addr().String(),
		disk:     disk,
		http: &http.Server{
			Handler:           &guard{next: gofakes3.New(disk).Server(), keyID: cfg.AccessKeyID},
			ReadHeaderTimeout: time.Minute,
			ErrorLog:          log.New(io.Discard, "", 0), // about callers that have gone
		},
	}
	go func() { _ = s.http.Serve(listener) }() // http.ErrServerClosed
	return s, nil
}

// Endpoint returns the URL of the store: what AWS_ENDPOINT_URL_S3 is set to.
func (s *Server) Endpoint() string { return s.endpoint }

// shutdownTime is how long Close waits for answers that are under way.
const shutdownTime = 2 * time.Second

// Close frees the port and the directory. What is in it stays.
func (s *Server) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), shutdownTime)
	defer cancel()
	var err error
	if s.http.Shutdown(ctx) != nil {
		err = s.http.Close()
	}
	return errors.Join(err, s.disk.close())
}

// A guard lets requests in that could have been signed by the holder of the key. It
// keeps others out: a web page that this machine's user visits reaches loopback too.
type guard struct {
	next  http.Handler
	keyID string
}

// maxForm is how much of a form is held in memory; the rest goes to temporary files.
const maxForm = 1 << 20

func (g *guard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	code, message := g.check(r)
	if r.MultipartForm != nil {
		defer func() { _ = r.MultipartForm.RemoveAll() }() // temporary files
	}
	if code == "" {
		g.next.ServeHTTP(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(http.StatusForbidden)
	_ = xml.NewEncoder(w).Encode(struct {
		XMLName xml.Name `xml:"Error"`
		Code    string   `xml:"Code"`
		Message string   `xml:"Message"`
	}{Code: code, Message: message}) // whoever is not there any more needs no answer
}

// check returns S3's code for what is wrong, and "" for nothing.
func (g *guard) check(r *http.Request) (code, message string) {
	const denied = "AccessDenied"
	query := r.URL.Query()
	credential := query.Get("X-Amz-Credential")
	switch kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); {
	case credential != "":
		at, err := time.Parse("20060102T150405Z", query.Get("X-Amz-Date"))
		seconds, err2 := strconv.Atoi(query.Get("X-Amz-Expires"))
		switch {
		case err != nil || err2 != nil:
			return "AuthorizationQueryParametersError", "X-Amz-Date and X-Amz-Expires are needed."
		case time.Since(at) > time.Duration(seconds)*time.Second:
			return denied, "Request has expired"
		}
	case r.Header.Get("Authorization") != "":
		_, credential, _ = strings.Cut(r.Header.Get("Authorization"), "Credential=")
	case r.Method == http.MethodPost && kind == "multipart/form-data":
		if err := r.ParseMultipartForm(maxForm); err != nil {
			return denied, "The form cannot be read."
		}
		credential = r.PostForm.Get("x-amz-credential")
		if message := checkPolicy(r); message != "" {
			return denied, message
		}
	}
	keyID, _, _ := strings.Cut(credential, "/")
	switch {
	case keyID == "":
		return denied, "Access Denied."
	case g.keyID != "" && keyID != g.keyID:
		return "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records."
	}
	return "", ""
}

// checkPolicy says what is wrong with the policy of a form: when it ends, and which keys
// it allows, is all that it looks at.
func checkPolicy(r *http.Request) string {
	data, err := base64.StdEncoding.DecodeString(r.PostForm.Get("policy"))
	if err != nil {
		return "Invalid Policy: not base64."
	}
	var policy struct {
		Expiration time.Time         `json:"expiration"`
		Conditions []json.RawMessage `json:"conditions"`
	}
	if err := json.Unmarshal(data, &policy); err != nil {
		return "Invalid Policy: not JSON."
	}
	if !time.Now().Before(policy.Expiration) {
		return "Invalid according to Policy: Policy expired."
	}
	for _, c := range policy.Conditions {
		var rule [3]string
		if json.Unmarshal(c, &rule) != nil || rule[1] != "$key" {
			continue
		}
		key := r.PostForm.Get("key")
		if rule[0] == "starts-with" && !strings.HasPrefix(key, rule[2]) || rule[0] == "eq" && key != rule[2] {
			return fmt.Sprintf("Invalid according to Policy: Policy Condition failed: [%q, %q, %q]", rule[0], rule[1], rule[2])
		}
	}
	return ""
}

// Temporary makes a directory for a store that nobody needs later, and returns how to remove it.
func Temporary() (dir string, remove func() error, err error) {
	dir, err = os.MkdirTemp("", "lambdapool-s3-")
	return dir, func() error { return os.RemoveAll(dir) }, err
}
