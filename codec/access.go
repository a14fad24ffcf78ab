package codec

import (
	"reflect"
	"unsafe"
)

// An access is how a field of the envelope is read and written in memory. Whatever has no access
// of its own goes by its plan, which takes several times as long. The bytes are the same.
type access uint8

const (
	byPlan    access = iota
	asInt            // of eight bytes
	asUint           // of eight bytes
	asByte           // an unsigned integer of one byte
	asBool           //
	asText           // a string
	asBytes          // []byte
	asList           // [][]byte
	asPointer        // whether it is nil; the rest by its plan
	asStruct         // of the envelope
	asStructs        // a slice of these
)

// word is the size of integers that have an access. Those of a machine where int is smaller go by
// their plans.
const word = 8

// accessTo returns how fields with a plan are accessed, and what their structs are.
func accessTo(p *plan) (access, *tagged) {
	switch t := p.typ; t.Kind() {
	case reflect.Int, reflect.Int64:
		if t.Size() == word {
			return asInt, nil
		}
	case reflect.Uint64:
		return asUint, nil
	case reflect.Uint8:
		return asByte, nil
	case reflect.Bool:
		return asBool, nil
	case reflect.String:
		return asText, nil
	case reflect.Pointer:
		return asPointer, nil
	case reflect.Struct:
		if p.tagged != nil {
			return asStruct, p.tagged
		}
	case reflect.Slice:
		switch {
		case t == reflect.TypeFor[[]byte]():
			return asBytes, nil
		case t == reflect.TypeFor[[][]byte]():
			return asList, nil
		case p.elem.tagged != nil:
			return asStructs, p.elem.tagged
		}
	}
	return byPlan, nil
}

// value is the field at p as reflection has it.
func (f *taggedField) value(p unsafe.Pointer) reflect.Value {
	return reflect.NewAt(f.plan.typ, p).Elem()
}

// absent reports whether the field at p is empty: a zero value, or a slice without elements.
func (f *taggedField) absent(p unsafe.Pointer) bool {
	switch f.by {
	case asInt, asUint:
		return *(*uint64)(p) == 0
	case asByte, asBool:
		return *(*uint8)(p) == 0
	case asText:
		return *(*string)(p) == ""
	case asBytes, asList, asStructs:
		return len(*(*[]byte)(p)) == 0 // all slices have their length there
	case asPointer:
		return *(*unsafe.Pointer)(p) == nil
	}
	v := f.value(p)
	if v.Kind() == reflect.Slice {
		return v.Len() == 0
	}
	return v.IsZero()
}

// encode writes the field at p.
func (f *taggedField) encode(e *encoder, p unsafe.Pointer) error {
	switch f.by {
	case asInt:
		e.out.b = appendInt(e.out.b, *(*int64)(p))
	case asUint:
		e.out.b = appendUint(e.out.b, *(*uint64)(p))
	case asByte:
		e.out.b = appendUint(e.out.b, uint64(*(*uint8)(p)))
	case asBool:
		e.out.b = append(e.out.b, codeFalse+*(*byte)(p))
	case asText:
		return e.text(*(*string)(p))
	case asBytes:
		return e.bytes(*(*[]byte)(p))
	case asList:
		list := *(*[][]byte)(p)
		e.out.b = appendLength(e.out.b, &arrayHeads, len(list))
		for i := range list {
			if err := e.bytes(list[i]); err != nil {
				return atIndex(i, err)
			}
		}
	case asStruct:
		return f.of.encode(e, p)
	case asStructs:
		n, first := sliceAt(p)
		e.out.b = appendLength(e.out.b, &arrayHeads, n)
		for i := range n {
			if err := f.of.encode(e, unsafe.Add(first, uintptr(i)*f.of.size)); err != nil {
				return atIndex(i, err)
			}
		}
	default:
		return f.plan.enc(e, f.value(p))
	}
	return nil
}

// decode reads the field at p, which is zero.
func (f *taggedField) decode(d *decoder, p unsafe.Pointer) error {
	switch f.by {
	case asInt:
		n, signed, err := d.integer()
		if err == nil && !signed && int64(n) < 0 {
			err = fail(overflow, f.plan.typ)
		}
		*(*int64)(p) = int64(n)
		return err
	case asUint, asByte:
		n, signed, err := d.integer()
		if err == nil && (signed && int64(n) < 0 || f.by == asByte && n > 0xff) {
			err = fail(overflow, f.plan.typ)
		}
		if f.by == asByte {
			*(*uint8)(p) = uint8(n)
		} else {
			*(*uint64)(p) = n
		}
		return err
	case asBool:
		c := d.peek()
		if !isBool(c) {
			return wrongKind("a bool", c)
		}
		d.in.pos++
		*(*bool)(p) = c == codeTrue
		return nil
	case asText:
		return d.string((*string)(p))
	case asBytes:
		return d.bytes((*[]byte)(p))
	case asList:
		return f.decodeList(d, (*[][]byte)(p))
	case asStruct:
		return f.of.decode(d, p)
	case asStructs:
		return f.decodeStructs(d, p)
	default:
		return f.plan.dec(d, f.value(p))
	}
}

// decodeList makes the whole slice at once, as decodeSlice does.
func (f *taggedField) decodeList(d *decoder, to *[][]byte) error {
	n, isNil, err := d.elements(unsafe.Sizeof([]byte{}))
	if err != nil || isNil {
		return err
	}
	list := make([][]byte, n)
	for i := range list {
		if err := d.bytes(&list[i]); err != nil {
			return atIndex(i, err)
		}
	}
	*to = list
	return nil
}

// decodeStructs is decodeList for structs of the envelope.
func (f *taggedField) decodeStructs(d *decoder, p unsafe.Pointer) error {
	n, isNil, err := d.elements(f.of.size)
	if err != nil || isNil {
		return err
	}
	if f.plan.typ == reflect.TypeFor[[]ItemReply]() { // with half of the allocations
		*(*[]ItemReply)(p) = make([]ItemReply, n)
	} else {
		f.value(p).Set(reflect.MakeSlice(f.plan.typ, n, n))
	}
	_, first := sliceAt(p)
	for i := range n {
		if err := f.of.decode(d, unsafe.Add(first, uintptr(i)*f.of.size)); err != nil {
			return atIndex(i, err)
		}
	}
	return nil
}

// sliceAt returns the length of the slice at p, whatever it is of, and its first element.
func sliceAt(p unsafe.Pointer) (n int, first unsafe.Pointer) {
	s := *(*[]byte)(p)
	return len(s), unsafe.Pointer(unsafe.SliceData(s)) //nolint:gosec // of a slice of the envelope, by its own type
}
