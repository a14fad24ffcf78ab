package wire_test

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lambdapool/lambdapool/backend/local/internal/wire"
)

func TestIdentify(t *testing.T) {
	t.Parallel()
	id := func(region, account, name, qualifier string) wire.FunctionID {
		return wire.FunctionID{Region: region, Account: account, Name: name, Qualifier: qualifier}
	}
	const own, other = wire.Account, "123456789012"
	for _, c := range []struct {
		name, qualifier string
		want            wire.FunctionID
		code            string // of the refusal
	}{
		{"demo", "", id("eu-west-1", own, "demo", ""), ""},
		{"demo", "7", id("eu-west-1", own, "demo", "7"), ""},
		{"demo:live", "", id("eu-west-1", own, "demo", "live"), ""},
		{"demo:live", "live", id("eu-west-1", own, "demo", "live"), ""},
		{"demo:$LATEST", "", id("eu-west-1", own, "demo", wire.Latest), ""},
		{"function:demo", "", id("eu-west-1", own, "demo", ""), ""},
		{other + ":function:demo", "", id("eu-west-1", other, "demo", ""), ""},
		{"arn:aws:lambda:us-east-2:" + other + ":function:demo:7", "", id("us-east-2", other, "demo", "7"), ""},
		{"arn:aws-cn:lambda:cn-north-1:" + other + ":function:demo", "", id("cn-north-1", other, "demo", ""), ""},
		{"demo:live", "7", wire.FunctionID{}, "InvalidParameterValueException"},
		{"", "", wire.FunctionID{}, "ValidationException"},
		{"de mo", "", wire.FunctionID{}, "ValidationException"},
		{"demo/../other", "", wire.FunctionID{}, "ValidationException"},
		{"demo:a:b", "", wire.FunctionID{}, "ValidationException"},
		{"demo", "no!", wire.FunctionID{}, "ValidationException"},
		{"demo", strings.Repeat("a", 129), wire.FunctionID{}, "ValidationException"},
		{"arn:aws:s3:::bucket", "", wire.FunctionID{}, "ValidationException"},
		{strings.Repeat("a", 171), "", wire.FunctionID{}, "ValidationException"},
	} {
		got, refused := wire.Identify(c.name, c.qualifier, "eu-west-1")
		code := ""
		if refused != nil {
			code = refused.Code
		}
		if got != c.want || code != c.code {
			t.Errorf("%q and %q: %+v %q, want %+v %q", c.name, c.qualifier, got, code, c.want, c.code)
		}
	}
	if arn := id("r", "a", "n", "q").ARN(); arn != "arn:aws:lambda:r:a:function:n:q" {
		t.Error(arn)
	}
	if arn := id("r", "a", "n", "").ARN(); arn != "arn:aws:lambda:r:a:function:n" {
		t.Error(arn)
	}
}

// Names of members are case-sensitive, which encoding/json is not.
func TestDecode(t *testing.T) {
	t.Parallel()
	type inner struct {
		Deep int `json:"Deep"`
	}
	type Embedded struct {
		Below *inner `json:"Below"`
	}
	type shape struct {
		Embedded

		Size    *int              `json:"Size"`
		Text    string            `json:"Text,omitempty"`
		List    []string          `json:"List"`
		Map     map[string]string `json:"Map"`
		Raw     json.RawMessage   `json:"Raw"`
		Ignored string
	}
	seven := 7
	for text, want := range map[string]shape{
		`{}`:                         {},
		`{"Size":7,"Text":"a"}`:      {Size: &seven, Text: "a"},
		`{"size":7,"TEXT":"a"}`:      {},
		`{"Size":null}`:              {},
		`{"Other":[1],"Text":"a"}`:   {Text: "a"},
		`{"Ignored":"a"}`:            {},
		`{"List":["a","b"]}`:         {List: []string{"a", "b"}},
		`{"Map":{"A":"x","a":"y"}}`:  {Map: map[string]string{"A": "x", "a": "y"}},
		`{"Raw":{"any":[1]}}`:        {Raw: json.RawMessage(`{"any":[1]}`)},
		`{"Below":{"Deep":7}}`:       {Embedded: Embedded{Below: &inner{Deep: 7}}},
		`{"Below":{"deep":7}}`:       {Embedded: Embedded{Below: &inner{}}},
		`{"Below":null,"Text":"a"}`:  {Text: "a"},
		`{"Text":"a","Text":"last"}`: {Text: "last"},
	} {
		var got shape
		if err := wire.Decode([]byte(text), &got); err != nil {
			t.Errorf("%s: %v", text, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", text, diff)
		}
	}
	for _, text := range []string{``, `[]`, `1`, `{`, `{"Size":"7"}`, `{"Below":[]}`, `{"Below":{"Deep":"7"}}`, `{} {}`} {
		if err := wire.Decode([]byte(text), &shape{}); err == nil {
			t.Errorf("%s: no error", text)
		}
	}
}

func TestRandomNames(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		make func() string
		form string
	}{
		"request id": {wire.RequestID, `^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`},
		"key id":     {wire.KeyID, `^[A-Z2-7]{11}$`},
		"hex":        {func() string { return wire.RandomHex(4) }, `^[0-9a-f]{8}$`},
	} {
		first, second := c.make(), c.make()
		if first == second {
			t.Errorf("%s: %s twice", name, first)
		}
		if !regexp.MustCompile(c.form).MatchString(first) {
			t.Errorf("%s: %s, want %s", name, first, c.form)
		}
	}
}
