package registry

import (
	"errors"
	"fmt"
	"hash/fnv"
	"reflect"
	"strings"

	"github.com/lambdapool/lambdapool/codec"
)

// AddErrorType lets errors of type t travel, by a code: the first of codes, or t's import path and
// name. Then errors.As finds one in the client, with its fields, where otherwise only its text
// arrives.
//
// The error says what is wrong with the registration: a type that cannot travel, an interface, one
// of lambdapool's own, a code or a type that is registered already. The root makes a panic of it:
// it is found when the program starts.
func AddErrorType(r *Registry, t reflect.Type, codes []string) error {
	k, err := newErrorKind(t, codes)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if old := r.kinds[k.code]; old != nil {
		return fmt.Errorf("the code %q stands for %v already", k.code, old.typ)
	}
	if old := r.kindOf[k.typ]; old != nil {
		return fmt.Errorf("it is registered already, as %q", old.code)
	}
	r.kinds[k.code], r.kindOf[k.typ] = k, k
	return nil
}

// rootPackage is where programs find the errors of this module's own.
func rootPackage() string {
	return strings.TrimSuffix(reflect.TypeFor[Registry]().PkgPath(), "/internal/registry")
}

// An errorKind is a type of errors that travels.
type errorKind struct {
	code   string
	typ    reflect.Type // of the errors: base, or a pointer to it
	base   reflect.Type
	fields []int       // of base, by field of carrier; nil: carrier is base
	wire   *codec.Type // of carrier, which is what is encoded
	shape  uint64
}

// newErrorKind compiles how errors of type t travel. A type that encodes itself does so. Of another
// struct its exported fields travel, and an error in one of them as its text, since nobody knows
// its type.
func newErrorKind(t reflect.Type, codes []string) (*errorKind, error) {
	k := &errorKind{typ: t, base: t}
	if t.Kind() == reflect.Pointer {
		k.base = t.Elem()
	}
	switch {
	case t.Kind() == reflect.Interface:
		return nil, errors.New("it is an interface: register the types that functions return")
	case k.base.PkgPath() == rootPackage(), k.base.PkgPath() == rootPackage()+"/driver":
		return nil, errors.New("it is lambdapool's own: what it says travels already, and errors.Is finds the sentinels")
	case len(codes) > 1:
		return nil, fmt.Errorf("%d codes: give one, or none", len(codes))
	case len(codes) == 1:
		k.code = codes[0]
	default:
		k.code = k.base.PkgPath() + "." + k.base.Name()
		if t != k.base {
			k.code = "*" + k.code
		}
	}
	if err := checkName(k.code); err != nil {
		return nil, fmt.Errorf("as code %q: %w", k.code, err)
	}
	var err error
	if k.wire, err = codec.TypeOf(k.base); err != nil || !encodesItself(k.base) {
		if carrier := k.carrier(); len(k.fields) > 0 {
			k.wire, err = codec.TypeOf(carrier)
		}
	}
	if err != nil {
		return nil, err
	}
	h := fnv.New64a()
	fmt.Fprint(h, k.wire.Shape())
	k.shape = h.Sum64()
	return k, nil
}

// carrier returns a struct of the fields that travel, in which errors are their texts. Without any, the
// type is sent as it is, or codec says what is wrong with it.
func (k *errorKind) carrier() reflect.Type {
	var fields []reflect.StructField
	if k.base.Kind() != reflect.Struct {
		return k.base
	}
	for i := range k.base.NumField() {
		f := k.base.Field(i)
		if !f.IsExported() || f.Tag.Get("msgpack") == "-" {
			continue
		}
		if f.Type == errorType {
			f.Type = reflect.TypeFor[*string]()
		}
		k.fields = append(k.fields, i)
		fields = append(fields, reflect.StructField{Name: f.Name, Type: f.Type})
	}
	return reflect.StructOf(fields)
}

// encode returns what travels of err, which is of the type. A nil pointer in an error does not: its
// methods might not bear it.
func (k *errorKind) encode(err error) (data []byte, failed error) {
	defer contained(&failed)
	v := reflect.ValueOf(err)
	if k.typ != k.base {
		if v.IsNil() {
			return nil, errors.New("it is nil")
		}
		v = v.Elem()
	}
	if k.fields != nil {
		c := reflect.New(k.wire.Go()).Elem()
		for i, from := range k.fields {
			field := v.Field(from)
			if field.Type() != errorType {
				c.Field(i).Set(field)
			} else if !field.IsNil() {
				text := fmt.Sprint(field.Interface())
				c.Field(i).Set(reflect.ValueOf(&text))
			}
		}
		v = c
	}
	return codec.Marshal([]*codec.Type{k.wire}, []reflect.Value{v})
}

// decode makes the error of what encode returned, or of what claims to be that.
func (k *errorKind) decode(data []byte) (err, failed error) {
	defer contained(&failed)
	c := reflect.New(k.wire.Go()).Elem()
	if err := codec.Unmarshal(data, []*codec.Type{k.wire}, []reflect.Value{c}); err != nil {
		return nil, err
	}
	v := reflect.New(k.base)
	if k.fields == nil {
		v.Elem().Set(c)
	}
	for i, to := range k.fields {
		field := v.Elem().Field(to)
		if field.Type() != errorType {
			field.Set(c.Field(i))
		} else if text, _ := reflect.TypeAssert[*string](c.Field(i)); text != nil {
			field.Set(reflect.ValueOf(&remoteError{*text}))
		}
	}
	if k.typ == k.base {
		v = v.Elem()
	}
	err, _ = reflect.TypeAssert[error](v)
	return err, nil
}

// contained turns a panic of the user's methods into an error.
func contained(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("panic: %v", p)
	}
}

// A remoteError is the text of an error that stayed where it was. It is what a field of type error
// holds after the journey.
type remoteError struct{ text string }

func (e *remoteError) Error() string { return e.text }

// ErrorValue returns what travels of err itself, not of what it wraps, or ok = false when its type
// was not registered with [AddErrorType] or it cannot be encoded. It is for agents, which ask it of
// each error of a chain. An error that does not travel still has its text and its sentinels.
func (r *Registry) ErrorValue(err error) (value codec.ErrorValue, ok bool) {
	r.mu.RLock()
	k := r.kindOf[reflect.TypeOf(err)]
	r.mu.RUnlock()
	if k == nil {
		return value, false
	}
	data, failed := k.encode(err)
	return codec.ErrorValue{Code: k.code, Shape: k.shape, Data: data}, failed == nil
}

// ErrorsOf returns the errors that values stand for, leaving out what is not known in r, has
// another shape or cannot be decoded. It is for clients. What is left out is no failure: client and
// agent may be of different builds, and the text of the error is there in any case.
func ErrorsOf(r *Registry, values []codec.ErrorValue) []error {
	var errs []error
	for _, value := range values[:min(len(values), codec.MaxErrorValues)] {
		r.mu.RLock()
		k := r.kinds[value.Code]
		r.mu.RUnlock()
		if k == nil || k.shape != value.Shape {
			continue
		}
		if err, failed := k.decode(value.Data); failed == nil && err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}
