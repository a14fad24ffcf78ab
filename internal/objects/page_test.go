package objects_test

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/lambdapool/lambdapool/internal/objects"
)

// table makes a table with these keys, and hands it to read.
func table(t *testing.T, keys []string, read func(*bbolt.Bucket)) {
	t.Helper()
	db, err := bbolt.Open(filepath.Join(t.TempDir(), "db"), 0o600, &bbolt.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	undone := errors.New("undone")
	err = db.Update(func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucket([]byte("table"))
		for _, key := range keys {
			err = errors.Join(err, b.Put([]byte(key), []byte(key)))
		}
		if err != nil {
			return err
		}
		read(b)
		return undone
	})
	if !errors.Is(err, undone) {
		t.Fatal(err)
	}
}

// listed is what a listing is by definition: all keys and groups behind After, in order.
func listed(keys []string, p objects.Page) (all []string) {
	names := map[string]bool{}
	for _, key := range keys {
		rest, ok := strings.CutPrefix(key, p.Prefix)
		if !ok {
			continue
		}
		name := key
		if i := strings.Index(rest, p.Delimiter); p.Delimiter != "" && i >= 0 {
			name = p.Prefix + rest[:i+len(p.Delimiter)]
		}
		switch {
		case name == key && key <= p.After:
		case name != key && (name == p.After || key <= p.After):
		default:
			names[name] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// Pages of whatever size, one after another, are what is there, each once.
func TestPagesAreTheWhole(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	letters := []string{"a", "b", "/", "//", "a/", "\xff", "é", "0"}
	for round := range 60 {
		var keys []string
		for range random.IntN(30) {
			key := ""
			for range 1 + random.IntN(4) {
				key += letters[random.IntN(len(letters))]
			}
			keys = append(keys, key)
		}
		table(t, keys, func(b *bbolt.Bucket) {
			for _, prefix := range []string{"", "a", "a/", "\xff", "nothing"} {
				for _, delimiter := range []string{"", "/", "a/"} {
					for size := 1; size < 5; size++ {
						p := objects.Page{Prefix: prefix, Delimiter: delimiter, Max: size}
						want := listed(keys, p)
						var got []string
						for {
							l := p.List(b)
							page := slices.Sorted(slices.Values(slices.Concat(l.Keys, l.Groups)))
							if len(page) > size || len(l.Values) != len(l.Keys) || l.Truncated && (len(page) == 0 || l.Last != page[len(page)-1]) {
								t.Fatalf("page of %d: %+v", size, l)
							}
							got = append(got, page...)
							if p.After = l.Last; !l.Truncated {
								break
							}
						}
						if !slices.Equal(got, want) {
							t.Fatalf("round %d: %q below %q by %q in pages of %d:\ngot  %q\nwant %q", round, keys, prefix, delimiter, size, got, want)
						}
					}
				}
			}
		})
	}
}

func TestPagesBeginWhereTheyAreTold(t *testing.T) {
	keys := []string{"a", "b/1", "b/2", "b0", "c"}
	table(t, keys, func(b *bbolt.Bucket) {
		for _, test := range []struct {
			p    objects.Page
			want string
		}{
			{objects.Page{Max: 10, After: "b/1"}, "[b/2 b0 c]"},
			{objects.Page{Max: 10, After: "b/1a"}, "[b/2 b0 c]"}, // it need not be there
			{objects.Page{Max: 10, After: "z"}, "[]"},
			{objects.Page{Max: 10, Delimiter: "/", After: "b/"}, "[b0 c]"},     // the group was listed
			{objects.Page{Max: 10, Delimiter: "/", After: "b/1"}, "[b/ b0 c]"}, // not all of it was
			{objects.Page{Max: 10, Prefix: "b/", Delimiter: "/"}, "[b/1 b/2]"}, // the prefix is no group
			{objects.Page{Max: 10, Prefix: "b", After: "a"}, "[b/1 b/2 b0]"},   // before the prefix
			{objects.Page{Max: 10, Prefix: "b/", After: "b/"}, "[b/1 b/2]"},    // the prefix itself
			{objects.Page{Max: 0}, "[]"},
		} {
			l := test.p.List(b)
			if got := fmt.Sprint(slices.Sorted(slices.Values(slices.Concat(l.Keys, l.Groups)))); got != test.want || l.Truncated {
				t.Errorf("%+v: %s, want %s", test.p, got, test.want)
			}
		}
	})
}

func TestLimitsAndEncodings(t *testing.T) {
	for value, want := range map[string]int{"": 1000, "0": 0, "7": 7, "1000": 1000, "5000": 1000, "-1": -1, "x": -1} {
		n, err := objects.Limit(map[string]string{"max-keys": value}, "max-keys")
		if (err != nil) != (want < 0) || err == nil && n != want {
			t.Errorf("%q: %d, %v", value, n, err)
		}
	}
	for kind, want := range map[string]string{"": "a b/ü", "url": "a%20b/%C3%BC", "other": ""} {
		encode, err := objects.Encoding(map[string]string{"encoding-type": kind})
		if (err != nil) != (want == "") || err == nil && encode("a b/ü") != want {
			t.Errorf("%q: %v", kind, err)
		}
	}
}

// What a bucket is called, and what it may not be.
func TestBucketNames(t *testing.T) {
	for _, name := range []string{"abc", "a-b.c", "0-0", strings.Repeat("a", 63)} {
		if err := objects.CheckBucket(name); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, name := range []string{"", "ab", "Abc", "a_b", "-ab", "ab-", "a..b", "1.2.3.4", "a/b", "../x", strings.Repeat("a", 64)} {
		if err := objects.CheckBucket(name); status(err) != 400 {
			t.Errorf("%q: %v", name, err)
		}
	}
}
