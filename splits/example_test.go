package splits_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/inproc"
	"github.com/lambdapool/lambdapool/splits"
)

// words counts the words of its part of a text. It is registered as any function, and it reads by the
// link that the split has.
var words = lambdapool.Register("splits-example-words", func(ctx context.Context, s splits.Split) (int, error) {
	n := 0
	for line, err := range s.Lines(ctx) {
		if err != nil {
			return 0, err
		}
		n += len(strings.Fields(string(line)))
	}
	return n, nil
}, lambdapool.Idempotent())

func Example() {
	ctx := context.Background()
	b := inproc.New()
	defer b.Close()
	pool, err := lambdapool.New(b)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer pool.Close()

	const text = "what is stored\nneed not travel\nthrough the client\n"
	if err := b.Store().Put(ctx, "texts/a.txt", strings.NewReader(text), int64(len(text)), sha256.Sum256([]byte(text))); err != nil {
		fmt.Println(err)
		return
	}
	parts, err := splits.Collect(splits.Stored(ctx, b.Store(), "texts/", splits.Size(20)))
	if err != nil {
		fmt.Println(err)
		return
	}
	counts, err := lambdapool.Map(ctx, pool, words, parts)
	fmt.Println(parts)
	fmt.Println(counts, err)
	// Output:
	// [texts/a.txt[0:17] texts/a.txt[17:34] texts/a.txt[34:50]]
	// [6 3 0] <nil>
}

// folder makes files that examples read.
func folder(files map[string]string) string {
	dir, err := os.MkdirTemp("", "splits")
	if err != nil {
		panic(err)
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			panic(err)
		}
	}
	return dir
}

func ExampleFiles() {
	dir := folder(map[string]string{"a.log": "one\ntwo\n", "b.log": "three\n", "c.txt": "no\n"})
	defer os.RemoveAll(dir)
	for s, err := range splits.Files([]string{dir + "/*"}, splits.Match("*.log"), splits.Size(4)) {
		if err != nil {
			fmt.Println(err)
			return
		}
		for line, err := range s.Lines(context.Background()) {
			fmt.Printf("%s from %d: %s %v\n", filepath.Base(s.Name), s.From, line, err)
		}
	}
	// Output:
	// a.log from 0: one <nil>
	// a.log from 4: two <nil>
	// b.log from 0: three <nil>
}

// A file that agents do not see is stored for them, once.
func ExampleUpload() {
	dir := folder(map[string]string{"a.log": "one\ntwo\n"})
	defer os.RemoveAll(dir)
	b := inproc.New()
	defer b.Close()
	parts, err := splits.Collect(splits.Upload(context.Background(), b.Store(), "inputs", []string{dir + "/a.log"}, splits.AtMost(1)))
	fmt.Println(len(parts), parts[0].Link.URL != "", err)
	// Output: 1 true <nil>
}

func ExampleURLs() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader("0123456789"))
	}))
	defer server.Close()
	defer splits.CloseIdle() // an example's server waits for connections to end
	parts, err := splits.Collect(splits.URLs(context.Background(), []string{server.URL + "/digits"}, splits.Size(6)))
	fmt.Println(len(parts), parts[1].From, parts[1].To, err)
	// Output: 2 5 10 <nil>
}

// Formats without records are read as bytes.
func ExampleSplit_Open() {
	dir := folder(map[string]string{"image": "not really"})
	defer os.RemoveAll(dir)
	parts, err := splits.Collect(splits.Files([]string{dir + "/image"}, splits.Whole()))
	if err != nil {
		fmt.Println(err)
		return
	}
	body, err := parts[0].Open(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer body.Close()
	data, err := io.ReadAll(body)
	fmt.Println(string(data), err)
	// Output: not really <nil>
}

// A CSV file is cut only where somebody says that its quoted fields hold no newlines.
func ExampleSplit_CSV() {
	dir := folder(map[string]string{"rain.csv": "city,mm\nBergen,7\nCuzco,2\n"})
	defer os.RemoveAll(dir)
	for s, err := range splits.Files([]string{dir + "/rain.csv"}, splits.PlainLines(), splits.Size(13)) {
		if err != nil {
			fmt.Println(err)
			return
		}
		for row, err := range s.CSV(context.Background(), ',') {
			fmt.Println(s.From, row, err)
		}
	}
	// Output:
	// 0 [city mm] <nil>
	// 0 [Bergen 7] <nil>
	// 13 [Cuzco 2] <nil>
}

func ExampleJSONLines() {
	type measure struct {
		City string
		MM   float64
	}
	dir := folder(map[string]string{"rain.jsonl": `{"City":"Bergen","MM":7.5}` + "\n" + `{"City":"Cuzco","MM":2}`})
	defer os.RemoveAll(dir)
	for s, err := range splits.Files([]string{dir + "/*.jsonl"}) {
		if err != nil {
			fmt.Println(err)
			return
		}
		for m, err := range splits.JSONLines[measure](context.Background(), s) {
			fmt.Println(m.City, m.MM, err) // an error says which byte of which object it is about
		}
	}
	// Output:
	// Bergen 7.5 <nil>
	// Cuzco 2 <nil>
}
