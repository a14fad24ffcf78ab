package grouping_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lambdapool/lambdapool/internal/grouping"
)

func TestKeyTakesOutWhatDiffers(t *testing.T) {
	for _, test := range []struct{ name, text, want string }{
		{"nothing", "no such host", "no such host"},
		{"empty", "", ""},
		{"number", "sqrt(-4.5): negative", "sqrt(…): negative"},
		{"size", "the reply is 6,291,557 bytes, the limit is 6 MB", "the reply is …, the limit is …"},
		{"unit without a space", "used 128MiB of 512 MB", "used … of …"},
		{"durations", "timed out after 1m30.5s, 300ms before, 2 hours", "timed out after … before, …"},
		{"item and chunk", "timed out after 2.9 s, item 3 of chunk 17: context deadline exceeded", "timed out after …, item … of chunk …: context deadline exceeded"},
		{"uuid", "RequestId: 8f5b2c1e-3f6a-4f0e-9d7b-2a1c3e4d5f60 Error: exited", "RequestId: … Error: exited"},
		{"hex", "object deadbeef01 at 0xc000123456", "object … at …"},
		{"digits only id", "object 1234567890 at 0x1", "object … at …"},
		{"random id", "trace 4Kq9ZxY1bV7w failed", "trace … failed"},
		{"double quotes", `unknown key "weight\"s": "a b"`, "unknown key …: …"},
		{"single quotes", "open 'a b.txt': it isn't there, don't ask", "open …: it isn't there, don't ask"},
		{"backticks", "column `id` is missing", "column … is missing"},
		{"quote without end", `says "hello`, `says "hello`},
		{"path", "open /tmp/run-1/in.csv: no such file", "open …: no such file"},
		{"relative path", "read ./data/x.json, ../y and ~/z.", "read … and …."},
		{"path with line", "internal/work/do.go:31:2: nil map", "…: nil map"},
		{"windows path", `open C:\Temp\a.txt: denied`, "open …: denied"},
		{"url", "Get https://host:8080/a?b=c: EOF", "Get …: EOF"},
		{"a tag", "<b>no room</b>", "<b>no room</b>"},
		{"media type", "want text/html and/or application/json", "want text/html and/or application/json"},
		{"address", "dial tcp 127.0.0.1:4343: connect: connection refused", "dial tcp …: connect: connection refused"},
		{"date", "at 2026-11-29T21:00:00.5Z it failed on 2026-11-29 21:00", "at … it failed on …"},
		{"words with digits", "worker7 on s3 gives int64", "worker… on s3 gives int64"},
		{"list", "bad values [1 2 3] and [4, 5]", "bad values […] and […]"},
		{"names of failures", "HTTP 503, exit status 2, StatusCode: 404, code 4711", "HTTP 503, exit status 2, StatusCode: 404, code …"},
		{"percent", "98.5% full", "… full"},
		{"lines", "first\n\tsecond\r\n", "first second"},
		{"hostile", "a\x1b[2Jb\u202ec\xff", `a\x1b[…Jb\u202ec…`},
		{"other scripts", "数字が負です: 12", "数字が負です: …"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := grouping.Key(test.text)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
			if again := grouping.Key(got); again != got {
				t.Errorf("the key of the key is %q", again)
			}
		})
	}
}

// Occurrences of one failure differ in all of these at once.
func TestSameFailureSameKey(t *testing.T) {
	texts := make(map[string]bool)
	for i := range 1000 {
		texts[grouping.Key(fmt.Sprintf("read /data/%d/part-%04d.csv: %08x-0000-4000-8000-%012x: %d bytes of %dkB, %q", i, i, i*7919, i, i*31, i, strings.Repeat("x", i%7)))] = true
	}
	if len(texts) != 1 {
		t.Errorf("%d keys: %v", len(texts), texts)
	}
}

func TestKeyIsBounded(t *testing.T) {
	for _, text := range []string{strings.Repeat("long words ", 1000), strings.Repeat("é", 5000), strings.Repeat(`"`, 5000), strings.Repeat("\x00", 5000)} {
		if key := grouping.Key(text); len(key) > 300 || key == "" {
			t.Errorf("%d bytes: %.40q", len(key), key)
		}
	}
}

func FuzzKey(f *testing.F) {
	for _, text := range []string{"item 3 of chunk 17", `a "b\"`, "C:\\x", "1m2", "…, …", "1e-", "http://", "\xff1"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if key := grouping.Key(text); len(key) > 300 {
			t.Errorf("%d bytes", len(key))
		}
	})
}

func TestGroupsCountAndKeepAnExample(t *testing.T) {
	var groups grouping.Groups
	groups.Add(grouping.Failure{Func: "resize", Text: "cannot read 7"})
	groups.Add(grouping.Failure{Func: "resize", Text: "cannot read 8", Items: 4, RequestID: "r-8", Attempt: 2})
	groups.Add(grouping.Failure{Func: "resize", Text: "cannot read 9", Run: "nightly", Item: 12, RequestID: "r-9", Logs: []string{"opened\x1b[2J", "gone"}})
	groups.Add(grouping.Failure{Func: "resize", Text: "cannot read 10", RequestID: "r-10", Logs: []string{"later"}})
	groups.Add(grouping.Failure{Func: "thumbnail", Text: "cannot read 7", Items: 2})
	want := []grouping.Group{
		{Func: "resize", Key: "cannot read …", Items: 7, Attempts: 4, Example: grouping.Failure{
			Func: "resize", Text: "cannot read 9", Items: 1, Run: "nightly", Item: 12, RequestID: "r-9", Logs: []string{`opened\x1b[2J`, "gone"},
		}},
		{Func: "thumbnail", Key: "cannot read …", Items: 2, Attempts: 1, Example: grouping.Failure{Func: "thumbnail", Text: "cannot read 7", Items: 2}},
	}
	if diff := cmp.Diff(want, groups.List()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(grouping.Group{}, groups.Rest()); diff != "" {
		t.Error(diff)
	}
}

func TestGroupsAreBounded(t *testing.T) {
	var groups grouping.Groups
	for i := range 150 {
		groups.Add(grouping.Failure{Func: "f", Text: strings.Repeat("x", i+1), Items: 2, Logs: make([]string, 50)})
	}
	if n := len(groups.List()); n != 100 {
		t.Errorf("%d groups", n)
	}
	if n := len(groups.List()[0].Example.Logs); n != 10 {
		t.Errorf("%d lines of an example", n)
	}
	if diff := cmp.Diff(grouping.Group{Items: 100, Attempts: 50}, groups.Rest()); diff != "" {
		t.Error(diff)
	}
}

func BenchmarkKey(b *testing.B) {
	for b.Loop() {
		grouping.Key("timed out after 2.9 s, item 3 of chunk 17: open /tmp/run-1/in.csv: context deadline exceeded")
	}
}
