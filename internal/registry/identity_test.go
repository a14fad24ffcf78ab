package registry_test

import (
	"bytes"
	"context"
	"reflect"
	"testing"

	"github.com/lambdapool/lambdapool/codec"
	"github.com/lambdapool/lambdapool/internal/registry"
)

// What is signed in a link is no part of what tells inputs apart; everything else is.
func TestIdentity(t *testing.T) {
	type part struct {
		Key   string
		Link  codec.Link
		More  []codec.Link
		By    map[string]codec.Link
		Next  *part
		plain int //nolint:unused // what is not exported does not travel
	}
	link := func(query string) codec.Link {
		return codec.Link{URL: "https://s.example/a?" + query, Header: map[string]string{"X-Signed": query}}
	}
	made := func(key, query string) part {
		return part{
			Key: key, Link: link(query), More: []codec.Link{link(query)}, By: map[string]codec.Link{"b": link(query), "c": {}},
			Next: &part{Link: link(query)},
		}
	}
	f, err := registry.NewTyped("f", func(context.Context, part) (int, error) { return 0, nil })
	if err != nil {
		t.Fatal(err)
	}
	identity := func(p part) []byte {
		args, err := registry.Encode(f, []reflect.Value{reflect.ValueOf(p)})
		if err != nil {
			t.Fatal(err)
		}
		id := registry.Identity(f, args)
		if bytes.Contains(id, []byte("secret")) {
			t.Errorf("the identity holds what was signed: %q", id)
		}
		return id
	}
	one := identity(made("a", "secret1"))
	if again := identity(made("a", "secret2")); !bytes.Equal(one, again) {
		t.Errorf("signed anew it is another input: %q, %q", one, again)
	}
	if other := identity(made("b", "secret1")); bytes.Equal(one, other) {
		t.Error("another key is the same input")
	}
	elsewhere := made("a", "secret1")
	elsewhere.Link.URL = "https://s.example/b?secret1"
	if bytes.Equal(one, identity(elsewhere)) {
		t.Error("a link to another object is the same input")
	}
	here := func(url string) []byte {
		p := made("a", "secret1")
		p.Link.URL = url
		return identity(p)
	}
	if !bytes.Equal(here("http://127.0.0.1:1/a?secret1"), here("http://127.0.0.1:2/a?secret2")) {
		t.Error("a store of this machine that was started again is another input")
	}
	if bytes.Equal(here("http://10.0.0.1:1/a?secret1"), here("http://10.0.0.1:2/a?secret1")) {
		t.Error("another port elsewhere is the same input")
	}

	g, err := registry.NewTyped("g", func(context.Context, string) (int, error) { return 0, nil })
	if err != nil {
		t.Fatal(err)
	}
	args, err := registry.Encode(g, []reflect.Value{reflect.ValueOf("https://s.example/a?secret1")})
	if err != nil {
		t.Fatal(err)
	}
	if id := registry.Identity(g, args); &id[0] != &args[0] {
		t.Error("arguments without links are made anew")
	}
	if id := registry.Identity(f, []byte("garbage")); string(id) != "garbage" {
		t.Errorf("of what cannot be decoded: %q", id)
	}
}
