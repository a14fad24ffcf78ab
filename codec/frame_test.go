package codec_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
	"github.com/vmihailenco/msgpack/v5"

	"github.com/lambdapool/lambdapool/codec"
)

func fullRequest() *codec.Request {
	return &codec.Request{
		ID: "call-1", Op: codec.OpDescribe, Func: "algorithms.Add", Shape: 1 << 63, Registry: 7, Remaining: 90 * time.Second,
		Parallel: 6, Items: [][]byte{{1, 2}, {}, nil, []byte("three")},
	}
}

func fullReply() *codec.Reply {
	failure := &codec.Error{
		Kind: codec.KindPanic, Type: "*errors.errorString", Message: "bad \xff", Hint: "none", Stack: "main.f\n\tmain.go:1",
		Chain: []codec.ErrorLink{{Type: "a", Message: "b"}, {}}, Codes: []string{"not-found", ""},
	}
	return &codec.Reply{
		ID: "call-1", Err: failure,
		Items: []codec.ItemReply{{Value: []byte{1}, Run: time.Second}, {Err: failure}, {}},
		Agent: codec.AgentStats{
			Instance: "i-1", Invocation: 3, Cold: true, Init: time.Millisecond, Run: time.Second, CPU: time.Minute,
			PeakMemory: 1 << 30, Memory: 2 << 30, Registry: 9, Procs: 2,
		},
		Functions: []codec.FunctionInfo{{Name: "algorithms.Add", Shape: "func(int, int) int"}},
	}
}

func storedRequest() *codec.Request {
	return &codec.Request{
		ID: "call-1", Func: "f", Compress: true,
		Stored: &codec.Stored{
			From: codec.Link{URL: "https://s3.example.org/b/k?X-Amz-Signature=s", Header: map[string]string{"x-b": "2", "x-a": "1"}},
			Size: 100 << 20, SHA256: sha256.Sum256([]byte("items")),
		},
		Spill: &codec.Spill{To: codec.Link{URL: "http://127.0.0.1/k"}, Above: 1 << 20},
	}
}

func storedReply() *codec.Reply {
	return &codec.Reply{ID: "call-1", Stored: &codec.Stored{Size: 9, SHA256: sha256.Sum256([]byte("values"))}}
}

// records is data that zstd shrinks about tenfold.
func records(n int) []byte {
	var b bytes.Buffer
	rng := rand.New(rand.NewPCG(1, 2))
	for b.Len() < n {
		b.WriteString(`{"name":"record","value":`)
		b.WriteString(strings.Repeat("0123456789"[rng.IntN(9):][:1], 2))
		b.WriteString("}\n")
	}
	return b.Bytes()[:n]
}

func encodeRequest(tb testing.TB, r *codec.Request, opts ...codec.FrameOption) []byte {
	tb.Helper()
	payload, err := codec.EncodeRequest(r, opts...)
	if err != nil {
		tb.Fatal(err)
	}
	return payload
}

func encodeReply(tb testing.TB, r *codec.Reply, opts ...codec.FrameOption) []byte {
	tb.Helper()
	payload, err := codec.EncodeReply(r, opts...)
	if err != nil {
		tb.Fatal(err)
	}
	return payload
}

// frameOf returns the frame inside of a request.
func frameOf(tb testing.TB, payload []byte) []byte {
	tb.Helper()
	var frame []byte // encoding/json reads base64 into a byte slice
	if err := json.Unmarshal(payload, &frame); err != nil {
		tb.Fatal(err)
	}
	return frame
}

func quote(frame []byte) []byte {
	return []byte(`"` + base64.StdEncoding.EncodeToString(frame) + `"`)
}

func TestRequest(t *testing.T) {
	for name, want := range map[string]*codec.Request{"full": fullRequest(), "stored": storedRequest(), "zero": {}, "one": {ID: "1", Func: "f", Items: [][]byte{{0}}}} {
		got, err := codec.DecodeRequest(encodeRequest(t, want))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		raw, err := codec.EncodeRawRequest(want)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if diff := cmp.Diff(frameOf(t, encodeRequest(t, want)), raw); diff != "" {
			t.Errorf("%s: the raw request is not the frame inside of the other: %s", name, diff)
		}
		if got, err = codec.DecodeRequest(raw); err != nil {
			t.Fatalf("%s, raw: %v", name, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s, raw: %s", name, diff)
		}
	}
}

func TestReply(t *testing.T) {
	for name, want := range map[string]*codec.Reply{"full": fullReply(), "stored": storedReply(), "zero": {}} {
		raw := encodeReply(t, want)
		for form, payload := range map[string][]byte{"raw": raw, "JSON": quote(raw)} {
			got, err := codec.DecodeReply(payload)
			if err != nil {
				t.Fatalf("%s, %s: %v", name, form, err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s, %s: %s", name, form, diff)
			}
		}
	}
}

// msgpack's own decoder reads the envelope by the tags: the layout is no invention.
func TestEnvelopeIsPlainMsgpack(t *testing.T) {
	for _, want := range []*codec.Request{fullRequest(), storedRequest()} {
		var request codec.Request
		if err := msgpack.Unmarshal(frameOf(t, encodeRequest(t, want))[5:], &request); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, &request); diff != "" {
			t.Error(diff)
		}
	}
	var reply codec.Reply
	if err := msgpack.Unmarshal(encodeReply(t, fullReply())[5:], &reply); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(fullReply(), &reply); diff != "" {
		t.Error(diff)
	}
	// And the other way round.
	body, err := msgpack.Marshal(fullReply())
	if err != nil {
		t.Fatal(err)
	}
	got, err := codec.DecodeReply(append([]byte("\xc1LP\x01\x00"), body...))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(fullReply(), got); diff != "" {
		t.Error(diff)
	}
}

func TestUnknownKeysAreSkipped(t *testing.T) {
	body, err := msgpack.Marshal(map[string]any{"id": "1", "new": map[string]any{"deep": []int{1, 2, 300}, "x": nil}, "fn": "f"})
	if err != nil {
		t.Fatal(err)
	}
	got, err := codec.DecodeRequest(quote(append([]byte("\xc1LP\x01\x00"), body...)))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(&codec.Request{ID: "1", Func: "f"}, got); diff != "" {
		t.Error(diff)
	}
}

// A request is a JSON string, and JSON has several spellings for it.
func TestJSONSpellings(t *testing.T) {
	payload := string(encodeRequest(t, &codec.Request{ID: "\xff\xff\xff|\xfb\xef\xbe|\xfb\xef\xbe|\xfb\xef\xbe"}))
	if !json.Valid([]byte(payload)) || !strings.Contains(payload, "/") || !strings.Contains(payload, "+") {
		t.Fatalf("no good sample: %s", payload)
	}
	for _, spelled := range []string{
		" \t\r\n" + payload + "\n",
		strings.ReplaceAll(payload, "/", `\/`),
		strings.ReplaceAll(payload, "+", `\u002b`),
		strings.ReplaceAll(payload, "=", `\u003D`),
	} {
		if _, err := codec.DecodeRequest([]byte(spelled)); err != nil {
			t.Errorf("%s: %v", spelled, err)
		}
	}
}

// Items stay apart: appending to one does not reach into the next.
func TestItemsAreApart(t *testing.T) {
	r, err := codec.DecodeRequest(encodeRequest(t, &codec.Request{Items: [][]byte{[]byte("a"), []byte("b")}}))
	if err != nil {
		t.Fatal(err)
	}
	_ = append(r.Items[0], "overwrite"...)
	if string(r.Items[1]) != "b" {
		t.Errorf("got %q", r.Items[1])
	}
}

func TestNegativeNumbers(t *testing.T) {
	r, err := codec.DecodeRequest(encodeRequest(t, &codec.Request{Remaining: -time.Second}))
	if err != nil || r.Remaining != 1 {
		t.Errorf("a call whose time is up: got %v, %v", r, err)
	}
	if _, err := codec.EncodeRequest(&codec.Request{Parallel: -1}); err == nil {
		t.Error("negative parallelism: no error")
	}
	reply := &codec.Reply{
		Items: []codec.ItemReply{{Run: -1}},
		Agent: codec.AgentStats{Init: -1, Run: -1, CPU: -1, PeakMemory: -1, Memory: -1, Procs: -1},
	}
	got, err := codec.DecodeReply(encodeReply(t, reply))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(&codec.Reply{Items: []codec.ItemReply{{}}}, got); diff != "" {
		t.Error(diff)
	}
}

func TestCompress(t *testing.T) {
	noise := make([]byte, 100_000)
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range noise {
		noise[i] = byte(rng.Uint32())
	}
	tests := map[string]struct {
		item []byte
		pays bool
	}{
		"records":            {records(100_000), true},
		"noise":              {noise, false},
		"small":              {records(900), false},
		"zeros, like a bomb": {make([]byte, 1<<20), false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			want := &codec.Request{ID: "1", Items: [][]byte{test.item}}
			payload := encodeRequest(t, want, codec.Compress())
			if pays := len(payload) < len(test.item); pays != test.pays {
				t.Errorf("%d bytes became %d", len(test.item), len(payload))
			}
			got, err := codec.DecodeRequest(payload)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, want) {
				t.Error("another request arrived")
			}
		})
	}
	want := &codec.Reply{Items: []codec.ItemReply{{Value: records(100_000)}}}
	raw := encodeReply(t, want, codec.Compress())
	got, err := codec.DecodeReply(raw)
	if err != nil || len(raw) > 50_000 {
		t.Fatalf("%d bytes, %v", len(raw), err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Error("another reply arrived")
	}
	if plain := encodeReply(t, want); len(plain) < 100_000 {
		t.Errorf("without being asked, 100000 bytes became %d", len(plain))
	}
}

// pack returns a compressed frame that claims a size.
func pack(tb testing.TB, body []byte, size uint64) []byte {
	tb.Helper()
	w, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		tb.Fatal(err)
	}
	return w.EncodeAll(body, binary.AppendUvarint([]byte("\xc1LP\x01\x01"), size))
}

func TestHostileFrames(t *testing.T) {
	const header = "\xc1LP\x01\x00"
	good := frameOf(t, encodeRequest(t, fullRequest()))
	text := records(50_000)
	huge := append([]byte(header), 0xdf, 0xff, 0xff, 0xff, 0xff)
	tests := map[string]struct {
		payload []byte
		reason  string
	}{
		"nothing":               {nil, "the payload is empty"},
		"white space":           {[]byte(" \n"), "the payload is empty"},
		"object":                {[]byte(`{"key": "value"}`), "this looks like a JSON object, not a lambdapool request"},
		"array":                 {[]byte(`["x"]`), "a JSON array"},
		"number":                {[]byte(`12`), "a JSON number"},
		"negative":              {[]byte(`-1`), "a JSON number"},
		"true":                  {[]byte(`true`), "a JSON boolean"},
		"null":                  {[]byte(`null`), "JSON null"},
		"text":                  {[]byte("hello"), "neither JSON nor"},
		"raw, without a body":   {[]byte(header), "malformed Request: ends where"},
		"raw, wrong magic":      {[]byte("\xc1XX\x01\x00\x80"), "begins with other bytes"},
		"open string":           {[]byte(`"abc`), "does not end"},
		"one quote":             {[]byte(`"`), "does not end"},
		"bad escape":            {[]byte(`"\q"`), "malformed JSON string"},
		"escaped end":           {[]byte(`"abc\"`), "malformed JSON string"},
		"not base64":            {[]byte(`"hello world"`), "does not hold base64"},
		"loose base64":          {[]byte(`"wUxQAR=="`), "does not hold base64"},
		"line breaks":           {[]byte("\"wUxQ\nAQCA\""), "line breaks"},
		"escaped line breaks":   {[]byte(`"wUxQ\nAQCA"`), "line breaks"},
		"empty string":          {[]byte(`""`), "ends inside of its header"},
		"wrong magic":           {quote([]byte("GIF89a")), "begins with other bytes"},
		"half the magic":        {quote([]byte("\xc1L")), "ends inside of its header"},
		"no flags":              {quote([]byte("\xc1LP\x01")), "ends inside of its header"},
		"unknown flags":         {quote([]byte("\xc1LP\x01\x06\x80")), "unknown flags 0x06"},
		"no body":               {quote([]byte(header)), "malformed Request: ends where"},
		"trailing":              {quote([]byte(header + "\x80\x00")), "1 bytes follow"},
		"trailing a seal":       {quote(append(bytes.Clone(good), 0)), "another checksum"},
		"half a seal":           {quote([]byte("\xc1LP\x01\x02\x80\x00")), "ends inside of its checksum"},
		"not a map":             {quote([]byte(header + "\x90")), "malformed Request: an array where a map belongs"},
		"nil":                   {quote([]byte(header + "\xc0")), "nil where a map belongs"},
		"number as key":         {quote([]byte(header + "\x81\x01\x01")), "an integer where a string belongs"},
		"key twice":             {quote([]byte(header + "\x82\xa2id\xa0\xa2id\xa0")), "malformed Request.ID: the same key twice"},
		"kind":                  {quote([]byte(header + "\x81\xa2id\x01")), "malformed Request.ID: an integer where a string belongs"},
		"kind of an item":       {quote([]byte(header + "\x81\xa2it\x92\xc4\x00\xa0")), "malformed Request.Items[1]: a string where bytes belongs"},
		"operation 300":         {quote([]byte(header + "\x81\xa2op\xcd\x01\x2c")), "does not fit into codec.Op"},
		"negative time":         {quote([]byte(header + "\x81\xa2dl\xff")), "negative remaining time"},
		"negative parallelism":  {quote([]byte(header + "\x81\xa3par\xff")), "negative parallelism"},
		"huge map":              {quote(huge), "announces"},
		"6 MB of arrays":        {quote(append([]byte(header), bytes.Repeat([]byte{0x91}, 6<<20)...)), "nested more than"},
		"millions of items":     {quote(append([]byte(header+"\x81\xa2it\xdd\x00\x20\x00\x00"), bytes.Repeat([]byte{0xc0}, 2<<20)...)), "at most 1048576"},
		"no size":               {quote([]byte("\xc1LP\x01\x01")), "does not say its size"},
		"endless size":          {quote([]byte("\xc1LP\x01\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff")), "does not say its size"},
		"not zstd":              {quote([]byte("\xc1LP\x01\x01\x10aaaaaaaaaaaaaaaaaaaa")), "is damaged"},
		"too large a claim":     {quote(pack(t, text, 1<<62)), "more than is accepted"},
		"too good a claim":      {quote(pack(t, nil, 1<<20)), "more than is accepted"},
		"a bomb":                {quote(pack(t, make([]byte, 64<<20), 64<<20)), "more than is accepted"},
		"a bomb, understated":   {quote(pack(t, make([]byte, 64<<20), 1<<16)), "is damaged"},
		"claims too little":     {quote(pack(t, text, 49_999)), "is damaged"},
		"claims too much":       {quote(pack(t, text, 50_001)), "holds 50000 bytes and claims 50001"},
		"compressed and hollow": {quote(pack(t, text, 50_000)), "malformed Request"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var err error
			n := allocated(func() { _, err = codec.DecodeRequest(test.payload) })
			var failed *codec.FrameError
			if !errors.As(err, &failed) || !strings.Contains(err.Error(), test.reason) {
				t.Fatalf("got %v, want …%s…", err, test.reason)
			}
			if errors.Is(err, codec.ErrVersion) {
				t.Error("blamed on the version")
			}
			if bound := len(test.payload) + allowance(0) + (4 << 20); n > max(bound, 64*len(test.payload)) {
				t.Errorf("%d bytes made it allocate %d", len(test.payload), n)
			}
		})
	}
}

func TestVersion(t *testing.T) {
	frame := frameOf(t, encodeRequest(t, fullRequest()))
	frame[3] = 2
	_, err := codec.DecodeRequest(quote(frame))
	const want = "client speaks protocol 2, this agent 1: deploy an agent built from the same version of lambdapool"
	if !errors.Is(err, codec.ErrVersion) || err.Error() != want {
		t.Errorf("got %v", err)
	}
	raw := encodeReply(t, fullReply())
	raw[3] = 0
	_, err = codec.DecodeReply(raw)
	if !errors.Is(err, codec.ErrVersion) || !strings.HasPrefix(err.Error(), "agent speaks protocol 0, this client 1: ") {
		t.Errorf("got %v", err)
	}
}

func TestTooManyItems(t *testing.T) {
	if _, err := codec.EncodeRequest(&codec.Request{Items: make([][]byte, codec.MaxItems+1)}); err == nil {
		t.Error("request: no error")
	}
	if _, err := codec.EncodeReply(&codec.Reply{Items: make([]codec.ItemReply, codec.MaxItems+1)}); err == nil {
		t.Error("reply: no error")
	}
	r, err := codec.DecodeRequest(encodeRequest(t, &codec.Request{Items: make([][]byte, codec.MaxItems)}))
	if err != nil || len(r.Items) != codec.MaxItems {
		t.Errorf("as many as allowed: %v", err)
	}
}

// Every prefix of a frame, and every frame with a wrong byte, is an error or a frame.
func TestDamagedFrames(t *testing.T) {
	for name, frame := range map[string][]byte{
		"plain": encodeReply(t, fullReply()),
		"zstd":  encodeReply(t, &codec.Reply{Items: []codec.ItemReply{{Value: records(3000)}}}, codec.Compress()),
	} {
		for i := range frame {
			if _, err := codec.DecodeReply(frame[:i]); err == nil {
				t.Errorf("%s: cut to %d of %d bytes: no error", name, i, len(frame))
			}
			broken := bytes.Clone(frame)
			for _, b := range []byte{0, 0x80, 0xc1, 0xdd, 0xff, frame[i] ^ 1} {
				broken[i] = b
				if r, err := codec.DecodeReply(broken); err == nil {
					encodeReply(t, r)
				}
			}
		}
	}
}

// MaxRequestFrame is the largest frame that fits, to the byte.
func TestMaxRequestFrame(t *testing.T) {
	item := make([]byte, codec.MaxRequestFrame)
	overhead := len(frameOf(t, encodeRequest(t, &codec.Request{Items: [][]byte{item}}))) - len(item)
	fits := encodeRequest(t, &codec.Request{Items: [][]byte{item[overhead:]}})
	larger := encodeRequest(t, &codec.Request{Items: [][]byte{item[overhead-1:]}})
	if len(fits) > codec.MaxRequest || len(larger) <= codec.MaxRequest {
		t.Errorf("got %d and %d bytes around %d", len(fits), len(larger), codec.MaxRequest)
	}
}

// A request that only compression can make fit is encoded like any other.
func TestLargeRequest(t *testing.T) {
	random := make([]byte, 6<<20)
	for i := range random {
		random[i] = byte(i*i>>7 ^ i>>3)
	}
	for name, item := range map[string][]byte{"text": records(100_000), "noise": random} {
		want := &codec.Request{ID: "1", Func: "f", Items: [][]byte{item, {1}, item}}
		payload := encodeRequest(t, want, codec.Compress())
		got, err := codec.DecodeRequest(payload)
		if err != nil || got.Func != "f" || !slices.EqualFunc(got.Items, want.Items, bytes.Equal) {
			t.Errorf("%s: %v", name, err)
		}
		if name == "text" && len(payload) > len(item)/4 {
			t.Errorf("%d bytes of text are a payload of %d", 2*len(item), len(payload))
		}
	}
}
