package deploy_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/lambdapool/lambdapool/deploy"
)

const isolation = "LAMBDAPOOL_ISOLATION"

// A new function has isolation unless it was said otherwise, and an update changes it only if told.
func TestIsolation(t *testing.T) {
	a := newAccount(t)
	c := a.client(t)
	s := full(t)
	has := func(when, want string) {
		t.Helper()
		shown, err := c.Show(t.Context(), s.Name)
		if err != nil {
			t.Fatal(err)
		}
		if got := shown.Function.Env[isolation]; got != want {
			t.Errorf("%s: %s=%q, want %q", when, isolation, got, want)
		}
	}
	if _, err := c.Create(t.Context(), s, deploy.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	has("created", "on")
	for _, step := range []struct{ when, say, want string }{
		{"turned off", deploy.IsolationOff, "off"}, {"nothing said", "", "off"}, {"turned on", deploy.IsolationOn, "on"},
	} {
		s.Isolation = step.say
		if _, err := c.Update(t.Context(), s, deploy.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
		has(step.when, step.want)
	}
}

func TestIsolationIsChecked(t *testing.T) {
	for _, tt := range []struct {
		settings deploy.Settings
		want     string
	}{
		{deploy.Settings{Isolation: "of"}, `isolation "of": must be on or off`},
		{deploy.Settings{Env: map[string]string{isolation: "yes"}}, `isolation "yes": must be on or off`},
		{deploy.Settings{Isolation: "on", Env: map[string]string{isolation: "off"}}, "they say different things"},
		{deploy.Settings{Isolation: "on", UnsetEnv: []string{isolation}}, "they say different things"},
		{deploy.Settings{Isolation: "off", Env: map[string]string{isolation: "off"}}, ""},
		{deploy.Settings{Env: map[string]string{isolation: "off"}}, ""},
	} {
		err := (&deploy.Spec{Name: "demo", Settings: tt.settings}).Check()
		switch {
		case tt.want == "" && err != nil, tt.want != "" && (!errors.Is(err, deploy.ErrInvalid) || !strings.Contains(err.Error(), tt.want)):
			t.Errorf("%+v: %v, want %q", tt.settings, err, tt.want)
		}
	}
}
