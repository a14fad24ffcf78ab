package registry

import (
	"context"
	"net/netip"
	"reflect"
	"strings"

	"github.com/lambdapool/lambdapool/codec"
	"github.com/lambdapool/lambdapool/internal/contain"
)

// Identity returns encoded arguments as they tell one input from another: without what was signed in
// their links. A link to the same object is signed anew each time that a program makes it, so a
// run that goes on with what it has recorded would take its own input for another one. Arguments
// without a [codec.Link] are returned as they are, at no cost. Links behind an interface are not seen.
func Identity(f *Function, args []byte) []byte {
	if !f.links {
		return args
	}
	bare, err := contain.Value(context.Background(), "a marshaling method of "+f.shape, nil, func() ([]byte, error) { return f.bare(args) })
	if err != nil {
		return args
	}
	return bare
}

func (f *Function) bare(args []byte) ([]byte, error) {
	values := make([]reflect.Value, len(f.args))
	for i, t := range f.args {
		values[i] = reflect.New(t.Go()).Elem()
	}
	if err := codec.Unmarshal(args, f.args, values); err != nil {
		return nil, err
	}
	for _, v := range values {
		unsign(v)
	}
	return codec.Marshal(f.args, values)
}

var linkType = reflect.TypeFor[codec.Link]()

// hasLinks reports whether values of t may hold a link. seen breaks circles of types.
func hasLinks(t reflect.Type, seen map[reflect.Type]bool) bool {
	if t == linkType {
		return true
	}
	if seen[t] {
		return false
	}
	seen[t] = true
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array:
		return hasLinks(t.Elem(), seen)
	case reflect.Map:
		return hasLinks(t.Elem(), seen) // a link is no key: it has a map
	case reflect.Struct:
		for field := range t.Fields() {
			if hasLinks(field.Type, seen) {
				return true
			}
		}
	default:
	}
	return false
}

// withoutPort takes the port out of a URL to this machine: a store that is served here, such as that of backend/local with its
// data in a directory, has another one each time its process starts.
func withoutPort(link string) string {
	scheme, rest, _ := strings.Cut(link, "://")
	host, path, _ := strings.Cut(rest, "/")
	if at, err := netip.ParseAddrPort(host); err == nil && at.Addr().IsLoopback() {
		return scheme + "://" + at.Addr().String() + "/" + path
	}
	return link
}

// unsign takes out of v, which can be set, what is signed in its links. Decoded values have no circles.
func unsign(v reflect.Value) {
	if v.Type() == linkType {
		link, _ := reflect.TypeAssert[codec.Link](v)
		bare, _, _ := strings.Cut(link.URL, "?")
		v.Set(reflect.ValueOf(codec.Link{URL: withoutPort(bare), Under: link.Under}))
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			unsign(v.Elem())
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			unsign(v.Index(i))
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			value := reflect.New(v.Type().Elem()).Elem()
			value.Set(v.MapIndex(key))
			unsign(value)
			v.SetMapIndex(key, value)
		}
	case reflect.Struct:
		for _, field := range v.Fields() {
			if field.CanSet() { // what is not exported does not travel
				unsign(field)
			}
		}
	default:
	}
}
