package storelinks_test

import (
	"errors"
	"maps"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/lambdapool/lambdapool/driver"
	"github.com/lambdapool/lambdapool/internal/storelinks"
)

var _ driver.Linker = new(storelinks.Signer)

// A link allows what it was made for until it ends, and nothing else.
func TestLinks(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	s := storelinks.New("http://store/", storelinks.Secret(), func() time.Time { return now })
	other := storelinks.New("http://store/", storelinks.Secret(), func() time.Time { return now })
	get, _ := s.LinkGet(t.Context(), "a b/ü?.txt", time.Minute)
	put, _ := s.LinkPut(t.Context(), "k", time.Minute)
	create, _ := s.LinkCreate(t.Context(), "k", 30*24*time.Hour)
	if create.Header[storelinks.OnlyNew] != "*" || len(put.Header) > 0 {
		t.Errorf("headers: %v, %v", create.Header, put.Header)
	}
	if want := now.Add(7 * 24 * time.Hour); !create.Expires.Equal(want) {
		t.Errorf("a link lives until %v, at most %v", create.Expires, want)
	}
	if until, err := s.LinkedUntil(t.Context()); !until.Equal(create.Expires) || err != nil {
		t.Errorf("LinkedUntil: %v, %v", until, err)
	}
	query := func(l driver.Link) (key string, values url.Values) {
		u, err := url.Parse(l.URL)
		if err != nil || u.Host != "store" {
			t.Fatalf("%s: %v", l.URL, err)
		}
		return strings.TrimPrefix(u.Path, "/"), u.Query()
	}
	key, values := query(get)
	if key != "a b/ü?.txt" {
		t.Errorf("the link is to %q", key)
	}
	for name, tt := range map[string]struct {
		by          *storelinks.Signer
		method, key string
		values      url.Values
		want        error
	}{
		"as made":           {s, "GET", key, values, nil},
		"another method":    {s, "PUT", key, values, storelinks.ErrSignature},
		"another key":       {s, "GET", key + "x", values, storelinks.ErrSignature},
		"another store":     {other, "GET", key, values, storelinks.ErrSignature},
		"without condition": {s, "PUT", "k", without(second(query(create)), storelinks.OnlyNew), storelinks.ErrSignature},
		"with condition":    {s, "PUT", "k", second(query(create)), nil},
		"prolonged":         {s, "GET", key, with(values, "expires", "9"+values.Get("expires")), storelinks.ErrSignature},
		"no signature":      {s, "GET", key, nil, storelinks.ErrSignature},
	} {
		if err := tt.by.Allowed(tt.method, tt.key, tt.values); !errors.Is(err, tt.want) || (err == nil) != (tt.want == nil) {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
	}
	now = now.Add(time.Minute)
	if err := s.Allowed("GET", key, values); err != nil {
		t.Errorf("at its end: %v", err)
	}
	now = now.Add(time.Nanosecond)
	if err := s.Allowed("GET", key, values); !errors.Is(err, storelinks.ErrExpired) {
		t.Errorf("after its end: %v", err)
	}
}

func TestForms(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	s := storelinks.New("http://store/", storelinks.Secret(), func() time.Time { return now })
	form, _ := s.LinkUnder(t.Context(), "runs/r/", time.Minute)
	if form.URL != "http://store/" || form.Under != "runs/r/" {
		t.Errorf("%+v", form)
	}
	fields := map[string]string{"key": "runs/r/x"}
	maps.Copy(fields, form.Form)
	if err := s.AllowedForm(fields); err != nil {
		t.Errorf("as made: %v", err)
	}
	fields["key"] = "runs/s/x"
	if err := s.AllowedForm(fields); !errors.Is(err, storelinks.ErrOutside) {
		t.Errorf("another key: %v", err)
	}
	fields["key"], fields["prefix"] = "runs/r/x", "runs/"
	if err := s.AllowedForm(fields); !errors.Is(err, storelinks.ErrSignature) {
		t.Errorf("another prefix: %v", err)
	}
	fields["prefix"], now = "runs/r/", now.Add(time.Hour)
	if err := s.AllowedForm(fields); !errors.Is(err, storelinks.ErrExpired) {
		t.Errorf("too late: %v", err)
	}
}

func second(_ string, values url.Values) url.Values { return values }

func without(values url.Values, name string) url.Values {
	values.Del(name)
	return values
}

func with(values url.Values, name, value string) url.Values {
	changed := maps.Clone(values)
	changed.Set(name, value)
	return changed
}
