package ask

import (
	"encoding/base64"
	"fmt"
	"math/big"
	"net/netip"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/lambdapool/lambdapool/codec"
)

// A signature is a registered function's, made of the text that the agent has of it:
// types with the same layout on the wire as those of the agent, which this program
// was not compiled with.
type signature struct {
	args     []reflect.Type
	result   reflect.Type // nil: none
	variadic bool
}

// parseSignature reads Function.Signature, with Function.Shape for what it leaves out.
func parseSignature(text, shape string) (_ *signature, err error) {
	p := &shapeParser{text: text}
	defer func() {
		if r := recover(); r != nil { // reflect refuses types that no agent of Go can have
			err = p.fail("no type: %v", r)
		}
	}()
	sig := &signature{variadic: strings.Contains(shape, "...")}
	if err := p.expect("func("); err != nil {
		return nil, err
	}
	for !p.accept(")") {
		if len(sig.args) > 0 {
			if err := p.expect(", "); err != nil {
				return nil, err
			}
		}
		t, err := p.value()
		if err != nil {
			return nil, err
		}
		sig.args = append(sig.args, t)
	}
	if p.accept(" ") {
		if sig.result, err = p.value(); err != nil {
			return nil, err
		}
	}
	if n := len(sig.args); sig.variadic && (n == 0 || sig.args[n-1].Kind() != reflect.Slice) {
		return nil, p.fail("no slice for the variadic parameter")
	}
	if p.pos != len(p.text) {
		return nil, p.fail("the signature goes on")
	}
	return sig, nil
}

// maxDepth is far beyond what people nest.
const maxDepth = 100

// A shapeParser reads what codec.Type.Shape prints.
type shapeParser struct {
	text  string
	pos   int
	depth int
	names map[string]reflect.Type // named types, of one value; nil while they are read
}

// value reads one type; names are known within it.
func (p *shapeParser) value() (reflect.Type, error) {
	p.names = map[string]reflect.Type{}
	return p.typ()
}

func (p *shapeParser) fail(format string, args ...any) error {
	return fmt.Errorf("at %d of %.200q: %s", p.pos, p.text, fmt.Sprintf(format, args...))
}

func (p *shapeParser) accept(s string) bool {
	if strings.HasPrefix(p.text[p.pos:], s) {
		p.pos += len(s)
		return true
	}
	return false
}

func (p *shapeParser) expect(s string) error {
	if !p.accept(s) {
		return p.fail("%q is missing", s)
	}
	return nil
}

func (p *shapeParser) typ() (reflect.Type, error) {
	if p.depth++; p.depth > maxDepth {
		return nil, p.fail("types nested more than %d deep", maxDepth)
	}
	defer func() { p.depth-- }()
	switch {
	case p.accept("*"):
		t, err := p.typ()
		if err != nil {
			return nil, err
		}
		return reflect.PointerTo(t), nil
	case p.accept("[]"):
		t, err := p.typ()
		if err != nil {
			return nil, err
		}
		return reflect.SliceOf(t), nil
	case p.accept("["):
		return p.array()
	case p.accept("map["):
		return p.mapping()
	case p.accept("struct{"):
		return p.structure()
	}
	return p.named()
}

func (p *shapeParser) array() (reflect.Type, error) {
	digits, _, ok := strings.Cut(p.text[p.pos:], "]")
	n, err := strconv.Atoi(digits)
	if !ok || err != nil || n < 0 {
		return nil, p.fail("no length of an array")
	}
	p.pos += len(digits) + 1
	t, err := p.typ()
	if err != nil {
		return nil, err
	}
	const most = 1 << 20 // what JSON on a command line does not reach
	if n > most || t.Size() > 0 && uintptr(n) > (1<<28)/t.Size() {
		return nil, p.fail("an array of %d elements is too large for the command line", n)
	}
	return reflect.ArrayOf(n, t), nil
}

func (p *shapeParser) mapping() (reflect.Type, error) {
	key, err := p.typ()
	if err != nil {
		return nil, err
	}
	if err := p.expect("]"); err != nil {
		return nil, err
	}
	elem, err := p.typ()
	if err != nil {
		return nil, err
	}
	switch k := key.Kind(); {
	case k == reflect.String, k >= reflect.Int && k <= reflect.Uint64, reflect.PointerTo(key).Implements(textType):
		return reflect.MapOf(key, elem), nil
	}
	return nil, p.fail("a map with %v keys has no JSON", key)
}

// structure reads the fields, which travel in order and without names: those that
// reflect cannot make because they are embedded and unexported get another one.
func (p *shapeParser) structure() (reflect.Type, error) {
	var fields []reflect.StructField
	seen := map[string]bool{}
	for !p.accept("}") {
		if len(fields) > 0 {
			if err := p.expect("; "); err != nil {
				return nil, err
			}
		}
		name, _, ok := strings.Cut(p.text[p.pos:], " ")
		if !ok || name == "" || seen[name] {
			return nil, p.fail("no name of a field")
		}
		seen[name] = true
		p.pos += len(name) + 1
		t, err := p.typ()
		if err != nil {
			return nil, err
		}
		f := reflect.StructField{Name: name, Type: t, Tag: reflect.StructTag(`json:` + strconv.Quote(name))}
		if r, _ := utf8.DecodeRuneInString(name); !unicode.IsUpper(r) {
			f.Name = fmt.Sprintf("Embedded%d_%s", len(fields), name)
		}
		fields = append(fields, f)
	}
	return reflect.StructOf(fields), nil
}

// named reads a basic type, or a named one: expanded where it first appears, and then
// by its name alone.
func (p *shapeParser) named() (reflect.Type, error) {
	name := p.name()
	if t, ok := basic[name]; ok {
		return t, nil
	}
	if name == "" {
		return nil, p.fail("no type")
	}
	switch t, known := p.names[name]; {
	case known && t == nil:
		return nil, p.fail("type %s contains itself, which the command line cannot build", name)
	case known:
		return t, nil
	}
	p.names[name] = nil
	var t reflect.Type
	var err error
	switch {
	case p.accept("{"):
		t, err = p.structure()
	case p.accept("("):
		if t, err = p.inside(name); err == nil {
			err = p.expect(")")
		}
	default:
		err = p.fail("type %s is not expanded", name)
	}
	if err != nil {
		return nil, err
	}
	p.names[name] = t
	return t, nil
}

// name reads up to what can follow one, over the brackets of type arguments.
func (p *shapeParser) name() string {
	depth, start := 0, p.pos
	for ; p.pos < len(p.text); p.pos++ {
		switch c := p.text[p.pos]; {
		case c == '[':
			depth++
		case c == ']' && depth > 0:
			depth--
		case depth == 0 && strings.IndexByte("](){};, ", c) >= 0:
			return p.text[start:p.pos]
		}
	}
	return p.text[start:p.pos]
}

// inside reads how a named type encodes itself, or its underlying type.
func (p *shapeParser) inside(name string) (reflect.Type, error) {
	for _, t := range marshalers {
		c, err := codec.TypeOf(t)
		if err == nil && strings.HasPrefix(name+p.text[p.pos-1:], c.Shape()) {
			p.pos += len(c.Shape()) - len(name) - 2
			return t, nil
		}
	}
	rest := p.text[p.pos:]
	switch {
	case strings.HasPrefix(rest, "text)"):
		p.pos += len("text")
		return reflect.TypeFor[textValue](), nil
	case strings.HasPrefix(rest, "binary)"), strings.HasPrefix(rest, "gob)"):
		p.pos += strings.IndexByte(rest, ')')
		return reflect.TypeFor[binaryValue](), nil
	}
	return p.typ()
}

var basic = func() map[string]reflect.Type {
	types := map[string]reflect.Type{}
	for _, t := range []reflect.Type{
		reflect.TypeFor[bool](), reflect.TypeFor[string](),
		reflect.TypeFor[int](), reflect.TypeFor[int8](), reflect.TypeFor[int16](), reflect.TypeFor[int32](), reflect.TypeFor[int64](),
		reflect.TypeFor[uint](), reflect.TypeFor[uint8](), reflect.TypeFor[uint16](), reflect.TypeFor[uint32](), reflect.TypeFor[uint64](),
		reflect.TypeFor[float32](), reflect.TypeFor[float64](), reflect.TypeFor[complex64](), reflect.TypeFor[complex128](),
	} {
		types[t.Name()] = t
	}
	return types
}()

// marshalers are the types of the standard library that encode themselves, and
// have JSON of their own.
var marshalers = []reflect.Type{
	reflect.TypeFor[time.Time](), reflect.TypeFor[big.Int](), reflect.TypeFor[big.Float](), reflect.TypeFor[big.Rat](),
	reflect.TypeFor[netip.Addr](), reflect.TypeFor[netip.AddrPort](), reflect.TypeFor[netip.Prefix](),
}

var textType = reflect.TypeFor[interface {
	MarshalText() ([]byte, error)
	UnmarshalText([]byte) error
}]()

// A textValue stands for a type that encodes itself as text: in JSON a string.
type textValue struct{ text []byte }

func (v textValue) MarshalBinary() ([]byte, error) { return v.text, nil }

func (v *textValue) UnmarshalBinary(b []byte) error { v.text = append([]byte{}, b...); return nil }

func (v textValue) MarshalText() ([]byte, error) { return v.text, nil }

func (v *textValue) UnmarshalText(b []byte) error { return v.UnmarshalBinary(b) }

// A binaryValue stands for a type that encodes itself in a form of its own: in JSON
// a string with base64 of it.
type binaryValue struct{ bytes []byte }

func (v binaryValue) MarshalBinary() ([]byte, error) { return v.bytes, nil }

func (v *binaryValue) UnmarshalBinary(b []byte) error { v.bytes = append([]byte{}, b...); return nil }

func (v binaryValue) MarshalText() ([]byte, error) {
	return base64.StdEncoding.AppendEncode(nil, v.bytes), nil
}

func (v *binaryValue) UnmarshalText(b []byte) (err error) {
	v.bytes, err = base64.StdEncoding.AppendDecode(nil, b)
	return err
}
