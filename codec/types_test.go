package codec_test

import (
	"errors"
	"math/big"
	"net/netip"
	"net/url"
	"time"
)

type (
	switched bool
	level    int8
	ratio    float32
	label    string
	weights  []ratio
	grid     [2][3]int16
	index    map[label][]level
	nothing  struct{}

	point struct{ X, Y float64 }

	base   struct{ ID int }
	Public struct{ Note string }

	embedding struct {
		base
		Public
		Own string
	}
	embeddingPointer struct {
		*Public
		Own string
	}
	embeddingHidden struct {
		*base
		Own string
	}

	// node and tree refer to themselves.
	node struct {
		Value int
		Next  *node
	}
	tree struct {
		Leaves []tree
		Named  map[string]tree
	}
	mutual  struct{ Other *mutual2 }
	mutual2 struct{ Other *mutual }

	links  []links
	loop   *loop
	lookup map[string]lookup

	// partial loses what is unexported or excluded.
	partial struct {
		Kept    int
		lost    int
		Skipped chan int `msgpack:"-"`
		_       [3]func()
	}

	// secretive has nothing to show.
	secretive struct{ a int }
	// excluded has nothing to show and says so.
	excluded struct {
		A int `msgpack:"-"`
		b int `msgpack:"-"`
	}

	everything struct {
		Bool    bool
		Int     int
		Int8    int8
		Int64   int64
		Uint    uint
		Uint64  uint64
		F32     float32
		F64     float64
		C64     complex64
		C128    complex128
		String  string
		Bytes   []byte
		Ints    []int
		Floats  []float64
		Strings []string
		Array   [4]byte
		Grid    grid
		Map     map[string]int
		Nested  map[int]map[string][]point
		Ptr     *int
		PtrPtr  **string
		PtrNil  *[]int
		Struct  point
		Time    time.Time
		Dur     time.Duration
		Big     *big.Int
		URL     url.URL
		Addr    netip.Addr
		Empty   struct{}
		Index   index
	}
)

// Stamped inherits time.Time's methods, which know nothing of Name.
type Stamped struct {
	time.Time
	Name string
}

// renamed embeds time.Time too, but has methods of its own.
type renamed struct {
	time.Time
	name string
}

func (r renamed) MarshalBinary() ([]byte, error) { return []byte(r.name), nil }

func (r *renamed) UnmarshalBinary(b []byte) error {
	r.name = string(b)
	return nil
}

// renamedBox is renamed for a generic type.
type renamedBox[T any] struct {
	time.Time
	Size T
}

func (r renamedBox[T]) MarshalBinary() ([]byte, error) { return []byte("fixed"), nil }

func (r *renamedBox[T]) UnmarshalBinary([]byte) error { return nil }

// Tiny has methods so small that the compiler copies them into those that lead here.
type Tiny struct{ A int }

func (Tiny) MarshalBinary() ([]byte, error) { return nil, nil }

func (*Tiny) UnmarshalBinary([]byte) error { return nil }

// box encodes itself by text, as it has an unexported field.
type box[T any] struct {
	inner T
	Size  int
}

func (b box[T]) MarshalText() ([]byte, error) { return []byte{byte(b.Size) + 'a'}, nil }

func (b *box[T]) UnmarshalText(t []byte) error {
	b.Size = int(t[0] - 'a')
	return nil
}

// gobbed encodes itself with pointer receivers.
type gobbed struct{ n int }

func (g *gobbed) GobEncode() ([]byte, error) { return []byte{byte(g.n)}, nil }

func (g *gobbed) GobDecode(b []byte) error {
	if len(b) != 1 {
		return errors.New("one byte, please")
	}
	g.n = int(b[0])
	return nil
}

// holder has a self-encoding struct as an unexported embedded field.
type holder struct {
	gobbed
	Note string
}

// explosive panics wherever it is called.
type explosive struct{ armed bool }

func (e explosive) MarshalBinary() ([]byte, error) {
	if e.armed {
		panic("boom")
	}
	return nil, nil
}

func (e *explosive) UnmarshalBinary(b []byte) error { return errors.New("code " + string(b[:1])) }

// failing cannot be encoded.
type failing struct{ n int }

func (failing) GobEncode() ([]byte, error) { return nil, errors.New("not today") }

func (f *failing) GobDecode([]byte) error {
	f.n = 1
	return nil
}

// lopsided can be marshaled but not unmarshaled, so its fields travel.
type lopsided struct{ A int }

func (lopsided) MarshalBinary() ([]byte, error) { return nil, errors.New("never called") }
