package codec_test

import (
	"errors"
	"io"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"github.com/lambdapool/lambdapool/codec"
)

type (
	order struct {
		Items []item
		Meta  map[string]*item
		Index map[item]int
	}
	item struct {
		Name string
		Done chan struct{}
	}
	guarded struct {
		sync.Mutex
		N int
	}
	keyed struct{ P *map[keyed]int }
	noisy struct {
		io.Writer
		N int
	}
)

func TestUnsupported(t *testing.T) {
	tests := []struct {
		typ    reflect.Type
		path   string
		reason string
	}{
		{reflect.TypeFor[chan int](), "", "a channel"},
		{reflect.TypeFor[func()](), "", "no code travels"},
		{reflect.TypeFor[uintptr](), "", "an address"},
		{reflect.TypeFor[unsafe.Pointer](), "", "an address"},
		{reflect.TypeFor[any](), "", "dynamic type"},
		{reflect.TypeFor[error](), "", "dynamic type"},
		{reflect.TypeFor[io.Reader](), "", "dynamic type"},
		{reflect.TypeFor[order](), "order.Items[].Done", "a channel"},
		{reflect.TypeFor[*order](), "order.Items[].Done", "a channel"},
		{reflect.TypeFor[[]order](), "[].Items[].Done", "a channel"},
		{reflect.TypeFor[map[string]any](), "[]", "dynamic type"},
		{reflect.TypeFor[map[any]string](), "[key]", "dynamic type"},
		{reflect.TypeFor[map[string]item](), "[].Done", "a channel"},
		{reflect.TypeFor[map[item]string](), "[key].Done", "a channel"},
		{reflect.TypeFor[[]uintptr](), "[]", "an address"},
		{reflect.TypeFor[[3]any](), "[]", "dynamic type"},
		{reflect.TypeFor[[0]func()](), "[]", "no code travels"},
		{reflect.TypeFor[*func()](), "", "no code travels"},
		{reflect.TypeFor[struct{ A struct{ B []any } }](), "A.B[]", "dynamic type"},
		{reflect.TypeFor[map[*int]string](), "[key]", "identity"},
		{reflect.TypeFor[map[[2]*int]string](), "[key]", "identity"},
		{reflect.TypeFor[map[struct{ P *int }]string](), "[key]", "identity"},
		{reflect.TypeFor[keyed](), "keyed.P[key]", "identity"},
		{reflect.TypeFor[embeddingHidden](), "embeddingHidden.base", "embedded pointer"},
		{reflect.TypeOf(secretive{a: 1}), "", "arrive empty"},
		{reflect.TypeFor[[]secretive](), "[]", "arrive empty"},
		{reflect.TypeFor[guarded](), "guarded.Mutex", "arrive empty"},
		{reflect.TypeFor[struct{ N atomic.Int64 }](), "N", "arrive empty"},
		{reflect.TypeFor[struct{ L *time.Location }](), "L", "arrive empty"},
		{reflect.TypeFor[noisy](), "noisy.Writer", "dynamic type"},
	}
	for _, test := range tests {
		_, err := codec.TypeOf(test.typ)
		var unsupported *codec.UnsupportedError
		if !errors.As(err, &unsupported) {
			t.Errorf("%v: got %v", test.typ, err)
			continue
		}
		if unsupported.Path != test.path || !strings.Contains(unsupported.Reason, test.reason) {
			t.Errorf("%v: got %q, %q; want %q, …%s…", test.typ, unsupported.Path, unsupported.Reason, test.path, test.reason)
		}
		if unsupported.Type == nil || !strings.Contains(err.Error(), "cannot travel") {
			t.Errorf("%v: got %v", test.typ, err)
		}
	}
	if _, err := codec.TypeOf(nil); err == nil {
		t.Error("no type: no error")
	}
}

func TestUnsupportedMessage(t *testing.T) {
	_, err := codec.TypeOf(reflect.TypeFor[order]())
	const want = "order.Items[].Done: chan struct {} cannot travel: a channel belongs to one process; return the values instead"
	if err == nil || err.Error() != want {
		t.Errorf("got %v\nwant %s", err, want)
	}
}

func TestEncodeErrors(t *testing.T) {
	cycle := &node{Value: 1}
	cycle.Next = cycle
	var spin loop
	spin = &spin
	turns := links{nil}
	turns[0] = turns
	eats := lookup{}
	eats["itself"] = eats
	deep := tree{}
	for range codec.MaxDepth {
		deep = tree{Leaves: []tree{deep}}
	}
	type carrier struct{ List []explosive }
	tests := []struct {
		name         string
		encode       func() ([]byte, error)
		path, reason string
	}{
		{"pointer cycle", func() ([]byte, error) { return tryEncode(t, cycle) }, "node.Next.Next.Next", "a pointer cycle?"},
		{"pointer to itself", func() ([]byte, error) { return tryEncode(t, spin) }, "", "a pointer cycle?"},
		{"failing marshaler", func() ([]byte, error) { return tryEncode(t, map[string]failing{"a": {1}}) }, "[]", "its gob marshaler says: not today"},
		{"slice cycle", func() ([]byte, error) { return tryEncode(t, turns) }, "links[0][0]", "a pointer cycle?"},
		{"map cycle", func() ([]byte, error) { return tryEncode(t, eats) }, "lookup[][]", "a pointer cycle?"},
		{"too deep", func() ([]byte, error) { return tryEncode(t, deep) }, "tree.Leaves[0].Leaves[0]", "1000 levels"},
		{"endless slice", func() ([]byte, error) { return tryEncode(t, [][]nothing{make([]nothing, 1<<30+1)}) }, "[0]", "larger than 1 GiB"},
		{"panic", func() ([]byte, error) { return tryEncode(t, carrier{[]explosive{{}, {armed: true}}}) }, "carrier.List[1]", "panicked: boom"},
		{"nil receiver", func() ([]byte, error) { return tryEncode(t, struct{ S Stuck }{}) }, "S", "panicked"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := test.encode()
			var failed *codec.EncodeError
			if !errors.As(err, &failed) {
				t.Fatalf("got %v", err)
			}
			if failed.Value != 0 || !strings.HasPrefix(failed.Path, test.path) || !strings.Contains(failed.Reason, test.reason) {
				t.Errorf("got %d %q %q, want %q… …%s…", failed.Value, failed.Path, failed.Reason, test.path, test.reason)
			}
			if len(err.Error()) > 300 {
				t.Errorf("a message of %d bytes: %v", len(err.Error()), err)
			}
		})
	}
}

// Stuck dereferences nil.
type Stuck struct{ p *int }

func (s Stuck) MarshalBinary() ([]byte, error) { return make([]byte, *s.p), nil }

func (s *Stuck) UnmarshalBinary([]byte) error { *s.p = 1; return nil }

func TestDepthLimit(t *testing.T) {
	build := func(levels int) links {
		l := links{}
		for range levels - 1 {
			l = links{l}
		}
		return l
	}
	if got := roundTrip(t, build(codec.MaxDepth)); !reflect.DeepEqual(got, build(codec.MaxDepth)) {
		t.Error("the deepest value that is allowed arrived as another")
	}
	if _, err := tryEncode(t, build(codec.MaxDepth+1)); err == nil {
		t.Error("one level more: no error")
	}
}

func TestMisuse(t *testing.T) {
	ints := []*codec.Type{typeOf(t, reflect.TypeFor[int]())}
	var s string
	for name, vs := range map[string][]reflect.Value{
		"too few": {}, "too many": {reflect.ValueOf(1), reflect.ValueOf(2)},
		"other type": {reflect.ValueOf(&s).Elem()}, "no value": {{}},
	} {
		var encoding *codec.EncodeError
		if _, err := codec.Marshal(ints, vs); !errors.As(err, &encoding) {
			t.Errorf("%s: Marshal says %v", name, err)
		}
		var decoding *codec.DecodeError
		if err := codec.Unmarshal([]byte{1}, ints, vs); !errors.As(err, &decoding) {
			t.Errorf("%s: Unmarshal says %v", name, err)
		}
	}
}

func TestShape(t *testing.T) {
	type local struct{ A, B int }
	tests := map[string]reflect.Type{
		"int":                                    reflect.TypeFor[int](),
		"[]uint8":                                reflect.TypeFor[[]byte](),
		"*map[string][2]bool":                    reflect.TypeFor[*map[string][2]bool](),
		"time.Duration(int64)":                   reflect.TypeFor[time.Duration](),
		"time.Time(time)":                        reflect.TypeFor[time.Time](),
		"codec_test.point{X float64; Y float64}": reflect.TypeFor[point](),
		"codec_test.local{A int; B int}":         reflect.TypeFor[local](),
		"struct{A int; B codec_test.label(string); C codec_test.label}": reflect.TypeFor[struct {
			A    int
			B, C label
		}](),
		"codec_test.node{Value int; Next *codec_test.node}":                                                     reflect.TypeFor[node](),
		"codec_test.links([]codec_test.links)":                                                                  reflect.TypeFor[links](),
		"codec_test.mutual{Other *codec_test.mutual2{Other *codec_test.mutual}}":                                reflect.TypeFor[mutual](),
		"codec_test.partial{Kept int}":                                                                          reflect.TypeFor[partial](),
		"codec_test.embedding{base codec_test.base{ID int}; Public codec_test.Public{Note string}; Own string}": reflect.TypeFor[embedding](),
		"codec_test.gobbed(gob)":                                                                                reflect.TypeFor[gobbed](),
		"codec_test.box[int](text)":                                                                             reflect.TypeFor[box[int]](),
		"codec_test.lopsided{A int}":                                                                            reflect.TypeFor[lopsided](),
		"codec_test.Stamped{Time time.Time(time); Name string}":                                                 reflect.TypeFor[Stamped](),
	}
	for want, typ := range tests {
		if got := typeOf(t, typ).Shape(); got != want {
			t.Errorf("%v:\n got %s\nwant %s", typ, got, want)
		}
	}
}

// Two types of the same name in one shape are told apart.
func TestShapeOfNamesakes(t *testing.T) {
	first := func() reflect.Type { type twin struct{ X int }; return reflect.TypeFor[twin]() }()
	second := func() reflect.Type { type twin struct{ Y string }; return reflect.TypeFor[twin]() }()
	typ := reflect.StructOf([]reflect.StructField{
		{Name: "A", Type: first}, {Name: "B", Type: second}, {Name: "C", Type: first}, {Name: "D", Type: second},
	})
	const want = "struct{A codec_test.twin{X int}; B codec_test.twin#2{Y string}; C codec_test.twin; D codec_test.twin#2}"
	if got := typeOf(t, typ).Shape(); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

func TestTypeOfIsCached(t *testing.T) {
	var wg sync.WaitGroup
	got := make([]*codec.Type, 8)
	for i := range got {
		wg.Go(func() { got[i] = typeOf(t, reflect.TypeFor[struct{ Cached tree }]()) })
	}
	wg.Wait()
	for _, ct := range got {
		if ct != got[0] || ct.Go() != reflect.TypeFor[struct{ Cached tree }]() {
			t.Errorf("got %p (%v) and %p", ct, ct, got[0])
		}
	}
}
