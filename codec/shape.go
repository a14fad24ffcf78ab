package codec

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// A shaper writes a type the way Go does, with named types expanded where they
// first appear.
type shaper struct {
	strings.Builder
	names map[reflect.Type]string // what each named type met so far is called
	taken map[string]int          // how many types share a name: a/geo.Point and b/geo.Point
}

func shapeOf(p *plan) string {
	s := shaper{names: make(map[reflect.Type]string), taken: make(map[string]int)}
	s.write(p)
	return s.String()
}

// write writes the type of p. A named type is written out where it first appears; that also ends
// the recursion of a type that contains itself.
func (s *shaper) write(p *plan) {
	if p.typ.Name() == "" || p.typ.PkgPath() == "" {
		s.literal(p)
		return
	}
	if name, ok := s.names[p.typ]; ok {
		s.WriteString(name)
		return
	}
	name := p.typ.String()
	s.taken[name]++
	if n := s.taken[name]; n > 1 {
		name += "#" + strconv.Itoa(n)
	}
	s.names[p.typ] = name
	s.WriteString(name)
	switch {
	case p.marshaler != nil:
		s.WriteString("(" + p.marshaler.name + ")")
	case p.typ.Kind() == reflect.Struct:
		s.structFields(p)
	default:
		s.WriteString("(")
		s.literal(p)
		s.WriteString(")")
	}
}

// literal writes the type as if it had no name.
func (s *shaper) literal(p *plan) {
	switch p.typ.Kind() {
	case reflect.Pointer:
		s.WriteString("*")
		s.write(p.elem)
	case reflect.Slice:
		s.WriteString("[]")
		s.write(p.elem)
	case reflect.Array:
		fmt.Fprintf(s, "[%d]", p.typ.Len())
		s.write(p.elem)
	case reflect.Map:
		s.WriteString("map[")
		s.write(p.key)
		s.WriteString("]")
		s.write(p.elem)
	case reflect.Struct:
		s.WriteString("struct")
		s.structFields(p)
	default:
		s.WriteString(p.typ.Kind().String())
	}
}

func (s *shaper) structFields(p *plan) {
	s.WriteString("{")
	for i, f := range p.fields {
		if i > 0 {
			s.WriteString("; ")
		}
		s.WriteString(f.name + " ")
		s.write(f.plan)
	}
	s.WriteString("}")
}
