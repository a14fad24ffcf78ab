package objects_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"mime/multipart"
	"strings"
	"testing"
	"time"

	"github.com/lambdapool/lambdapool/internal/objects"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// posted is a form with these fields and a policy, as it arrives.
func posted(t *testing.T, conditions []any, expires time.Time, fields ...string) *objects.Posted {
	t.Helper()
	document, err := json.Marshal(map[string]any{"expiration": expires, "conditions": conditions})
	if err != nil {
		t.Fatal(err)
	}
	return postedWith(t, base64.StdEncoding.EncodeToString(document), fields...)
}

func postedWith(t *testing.T, policy string, fields ...string) *objects.Posted {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	_ = w.WriteField("policy", policy)
	for i := 0; i < len(fields); i += 2 {
		_ = w.WriteField(fields[i], fields[i+1])
	}
	file, err := w.CreateFormFile("file", "name.txt")
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(file, "content")
	_ = w.Close()
	f, err := objects.ReadPosted(w.FormDataContentType(), &b, "bucket", 100)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func hold(f *objects.Posted) error {
	return f.Hold(now, []string{"policy", "bucket"}, func(name string) bool { return name != "acl" })
}

type obj = map[string]any

func TestPolicies(t *testing.T) {
	later := now.Add(time.Minute)
	key := []any{"starts-with", "$key", "a/"}
	for _, test := range []struct {
		why        string
		conditions []any
		expires    time.Time
		fields     []string
		want       int
	}{
		{"a prefix", []any{key}, later, []string{"key", "a/b"}, 0},
		{"another prefix", []any{key}, later, []string{"key", "b/a/"}, 403},
		{"no field that begins so", []any{key}, later, nil, 403},
		{"an empty prefix", []any{[]any{"starts-with", "$key", ""}}, later, []string{"key", "anything"}, 0},
		{"an exact value", []any{obj{"key": "a"}}, later, []string{"key", "a"}, 0},
		{"another value", []any{obj{"key": "a"}}, later, []string{"key", "ab"}, 403},
		{"eq", []any{[]any{"eq", "$Key", "a"}}, later, []string{"KEY", "a"}, 0},
		{"not eq", []any{[]any{"eq", "$key", "a"}}, later, []string{"key", "b"}, 403},
		{"both", []any{key, []any{"eq", "$key", "a/b"}}, later, []string{"key", "a/c"}, 403},
		{"the bucket", []any{key, obj{"bucket": "bucket"}}, later, []string{"key", "a/b"}, 0},
		{"another bucket", []any{key, obj{"bucket": "other"}}, later, []string{"key", "a/b"}, 403},
		{"a field that no condition mentions", []any{key}, later, []string{"key", "a/b", "content-type", "x"}, 403},
		{"one that need not be mentioned", []any{key}, later, []string{"key", "a/b", "x-ignore-me", "x"}, 0},
		{"one that is not served", []any{key, obj{"acl": "private"}}, later, []string{"key", "a/b", "acl", "private"}, 501},
		{"over", []any{key}, now, []string{"key", "a/b"}, 403},
		{"no key", []any{}, later, nil, 400},
		{"the file's name", []any{key}, later, []string{"key", "a/${filename}"}, 0},
		{"an unknown comparison", []any{[]any{"ends-with", "$key", "b"}}, later, []string{"key", "a/b"}, 403},
		{"without a dollar", []any{[]any{"eq", "key", "a"}}, later, []string{"key", "a"}, 403},
		{"of four", []any{[]any{"eq", "$key", "a", "b"}}, later, []string{"key", "a"}, 403},
		{"a number", []any{[]any{"eq", "$key", 1}}, later, []string{"key", "1"}, 403},
		{"a text", []any{"key"}, later, []string{"key", "1"}, 403},
		{"a range of texts", []any{key, []any{"content-length-range", "0", "9"}}, later, []string{"key", "a/b"}, 403},
	} {
		f := posted(t, test.conditions, test.expires, test.fields...)
		if got := status(hold(f)); got != test.want {
			t.Errorf("%s: %d, want %d", test.why, got, test.want)
		}
		if test.why == "the file's name" && f.Fields["key"] != "a/name.txt" {
			t.Errorf("key %q", f.Fields["key"])
		}
	}
	for _, policy := range []string{"", "!", base64.StdEncoding.EncodeToString([]byte("{")), base64.StdEncoding.EncodeToString([]byte(`{"conditions":[]}`))} {
		if err := hold(postedWith(t, policy, "key", "a")); status(err) != 403 {
			t.Errorf("policy %q: %v", policy, err)
		}
	}
}

func TestAFormIsForItsBucket(t *testing.T) {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	_ = w.WriteField("bucket", "other")
	_, _ = w.CreateFormFile("file", "f")
	_ = w.Close()
	if _, err := objects.ReadPosted(w.FormDataContentType(), &b, "bucket", 1); status(err) != 403 {
		t.Error(err)
	}
}

// The narrowest of all ranges counts, and the file is held to it while it is read.
func TestTheSizeOfAFile(t *testing.T) {
	limit := func(least, most any) []any { return []any{"content-length-range", least, most} }
	for _, test := range []struct {
		limits []any
		want   string
	}{
		{nil, ""},
		{[]any{limit(7, 7)}, ""},
		{[]any{limit(0, 6)}, "EntityTooLarge"},
		{[]any{limit(8, 9)}, "EntityTooSmall"},
		{[]any{limit(0, 100), limit(0, 6)}, "EntityTooLarge"},
		{[]any{limit(8, 1000), limit(0, 1000)}, "EntityTooSmall"},
	} {
		f := posted(t, append([]any{obj{"key": "a"}}, test.limits...), now.Add(time.Minute), "key", "a")
		if err := hold(f); err != nil {
			t.Fatal(err)
		}
		code := ""
		if _, err := io.ReadAll(f.Measured()); err != nil {
			code = objects.FailureOf(err).Code
		}
		if code != test.want {
			t.Errorf("%v: %q, want %q", test.limits, code, test.want)
		}
	}
	if strings.Contains(objects.FailureOf(io.ErrUnexpectedEOF).Code, "Internal") {
		t.Error("a cut body is the store's fault")
	}
}
