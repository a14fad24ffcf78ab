package ask

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"

	"github.com/lambdapool/lambdapool/codec"
	"github.com/lambdapool/lambdapool/internal/english"
)

// encode turns JSON texts into the bytes of one call's arguments.
func (s *signature) encode(args []string) ([]byte, error) {
	fixed := len(s.args)
	if s.variadic {
		fixed--
	}
	if len(args) < fixed || len(args) > fixed && !s.variadic {
		return nil, fmt.Errorf("%s where %d belong", english.Count(len(args), "argument"), fixed)
	}
	var types []*codec.Type
	var values []reflect.Value
	for i, t := range s.args {
		v := reflect.New(t).Elem()
		if i < fixed {
			if err := fromJSON(args[i], v.Addr()); err != nil {
				return nil, fmt.Errorf("argument %d: %w", i+1, err)
			}
		} else {
			for j, arg := range args[fixed:] {
				elem := reflect.New(t.Elem())
				if err := fromJSON(arg, elem); err != nil {
					return nil, fmt.Errorf("argument %d: %w", fixed+j+1, err)
				}
				v.Set(reflect.Append(v, elem.Elem()))
			}
		}
		ct, err := codec.TypeOf(t)
		if err != nil {
			return nil, err
		}
		types, values = append(types, ct), append(values, v)
	}
	return codec.Marshal(types, values)
}

// fromJSON decodes text into what ptr points to.
func fromJSON(text string, ptr reflect.Value) error {
	if ptr.Elem().Kind() == reflect.String && (!strings.HasPrefix(text, `"`) || !json.Valid([]byte(text))) {
		ptr.Elem().SetString(text)
		return nil
	}
	switch ptr.Elem().Kind() {
	case reflect.Complex64, reflect.Complex128:
		return errors.New("a complex number has no JSON")
	case reflect.Pointer, reflect.Slice, reflect.Map:
	default:
		if strings.TrimSpace(text) == "null" {
			return fmt.Errorf("null is not %s", english.A(ptr.Elem().Type().String()))
		}
	}
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	d.DisallowUnknownFields()
	if err := d.Decode(ptr.Interface()); err != nil {
		if t, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
			at := ""
			if t.Field != "" {
				at = " at " + t.Field
			}
			return fmt.Errorf("%s is a JSON %s, not %s%s", text, t.Value, english.A(t.Type.String()), at)
		}
		if !json.Valid([]byte(text)) {
			return fmt.Errorf("%q is not JSON: %s belongs there", text, english.A(ptr.Elem().Type().String()))
		}
		return fmt.Errorf("%s: %w", text, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("%s: more than one JSON value", text)
	}
	return nil
}

// decode turns the bytes of a result into JSON.
func (s *signature) decode(data []byte) (json.RawMessage, error) {
	if s.result == nil {
		return json.RawMessage("null"), nil
	}
	t, err := codec.TypeOf(s.result)
	if err != nil {
		return nil, err
	}
	v := reflect.New(s.result)
	if err := codec.Unmarshal(data, []*codec.Type{t}, []reflect.Value{v.Elem()}); err != nil {
		return nil, err
	}
	text, err := json.Marshal(v.Interface())
	if err != nil {
		return nil, fmt.Errorf("JSON cannot show it: %w", err)
	}
	return text, nil
}
