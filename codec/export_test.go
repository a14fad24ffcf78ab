package codec

import "reflect"

// Scan is scan, for its fuzz test.
var Scan = scan

// SizeOf is sizeOf.
func SizeOf(ts []*Type, vs []reflect.Value) int {
	var roots []root
	for i, t := range ts {
		roots = append(roots, root{t.plan, vs[i]})
	}
	return sizeOf(roots)
}

// What the envelope's heads are written by.
var (
	AppendInt  = appendInt
	AppendUint = appendUint
	AppendText = appendText
)

func AppendMapLen(b []byte, n int) []byte   { return appendLength(b, &mapHeads, n) }
func AppendArrayLen(b []byte, n int) []byte { return appendLength(b, &arrayHeads, n) }
func AppendBinLen(b []byte, n int) []byte   { return appendLength(b, &binHeads, n) }

// Envelope is how structs of the envelope of one type travel.
type Envelope struct{ plan *plan }

// EnvelopeOf returns how v, a pointer to a struct of the envelope, travels. byReflection has no
// field written or read where it lies.
func EnvelopeOf(v any, byReflection bool) Envelope {
	p := compileTagged(reflect.TypeOf(v).Elem())
	if byReflection {
		reflectively(p, map[*plan]bool{})
	}
	return Envelope{p}
}

func reflectively(p *plan, seen map[*plan]bool) {
	if p == nil || seen[p] {
		return
	}
	seen[p] = true
	reflectively(p.elem, seen)
	reflectively(p.key, seen)
	if p.tagged == nil {
		return
	}
	for i := range p.tagged.fields {
		f := &p.tagged.fields[i]
		f.by = byPlan
		reflectively(f.plan, seen)
	}
}

// Encode returns the bytes of v, a pointer.
func (p Envelope) Encode(v any) ([]byte, error) {
	e := getEncoder()
	defer putEncoder(e)
	err := p.plan.enc(e, reflect.ValueOf(v).Elem())
	return e.out.take(), err
}

// Decode fills v, a pointer to a zero struct.
func (p Envelope) Decode(data []byte, v any) error {
	return decodeBody(data, p.plan, reflect.ValueOf(v).Elem())
}
