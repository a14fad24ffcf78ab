package wire

import (
	"encoding/json"
	"reflect"
	"strings"
)

// Decode is json.Unmarshal whose member names are case-sensitive, as those of the
// services are: encoding/json would take memorysize for MemorySize. What no field is
// named after is ignored, as there. into points to a struct.
func Decode(data []byte, into any) error {
	return decodeValue(data, reflect.ValueOf(into).Elem())
}

var unmarshaler = reflect.TypeFor[json.Unmarshaler]()

func decodeValue(data json.RawMessage, into reflect.Value) error {
	kind := into.Kind()
	switch {
	case reflect.PointerTo(into.Type()).Implements(unmarshaler):
	case kind == reflect.Pointer && into.Type().Elem().Kind() == reflect.Struct && string(data) != "null":
		into.Set(reflect.New(into.Type().Elem()))
		return decodeValue(data, into.Elem())
	case kind == reflect.Struct:
		var members map[string]json.RawMessage
		if err := json.Unmarshal(data, &members); err != nil {
			return err
		}
		return decodeMembers(members, into)
	}
	return json.Unmarshal(data, into.Addr().Interface())
}

func decodeMembers(members map[string]json.RawMessage, into reflect.Value) error {
	for i := range into.NumField() {
		field := into.Type().Field(i)
		if field.Anonymous {
			if err := decodeMembers(members, into.Field(i)); err != nil {
				return err
			}
			continue
		}
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		data, said := members[name]
		if !said || name == "" {
			continue
		}
		if err := decodeValue(data, into.Field(i)); err != nil {
			return err
		}
	}
	return nil
}
