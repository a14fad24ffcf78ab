package rundeploy_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lambdapool/lambdapool/deploy/rundeploy"
	"github.com/lambdapool/lambdapool/deploy/shared"
)

// A tag stays where it was set until it is moved; a revision that does not start does not get it.
func TestTagsLeadToRevisions(t *testing.T) {
	c := newAutoCloud(t)
	client, ctx := c.client(), t.Context()
	if _, err := client.Create(ctx, rundeploy.Spec{Name: "demo", Artifact: artifact(t)}, rundeploy.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	update := func(s rundeploy.Settings, a *rundeploy.Artifact) (*rundeploy.Updated, error) {
		return client.Update(ctx, rundeploy.Spec{Name: "demo", Artifact: a, Settings: s}, rundeploy.UpdateOptions{Tag: "live"})
	}
	first, err := update(rundeploy.Settings{}, nil)
	if err != nil || len(first.Plan) != 1 || first.Service.Tags["live"] != first.Service.Revision {
		t.Fatalf("%+v, %v", first, err)
	}
	if again, err := update(rundeploy.Settings{}, nil); err != nil || again.Changed {
		t.Errorf("%+v, %v", again, err)
	}
	later, err := client.Update(ctx, rundeploy.Spec{Name: "demo", Settings: rundeploy.Settings{Memory: 1024}}, rundeploy.UpdateOptions{})
	if err != nil || later.Service.Revision == first.Service.Revision {
		t.Fatalf("%+v, %v", later, err)
	}
	if diff := cmp.Diff(first.Service.Tags, later.Service.Tags); diff != "" {
		t.Error(diff)
	}
	for _, tag := range []string{"", "live"} {
		if r, err := client.Call(ctx, "demo", shared.Call{Function: "fibonacci", Args: []string{"10"}, Qualifier: tag}); err != nil || string(r.Value) != "55" {
			t.Errorf("tag %q: %+v, %v", tag, r, err)
		}
	}
	moved, err := update(rundeploy.Settings{Memory: 2048}, nil)
	if err != nil || moved.Service.Tags["live"] != moved.Service.Revision || !strings.Contains(strings.Join(moved.Plan, ";"), "memory 1024 → 2048 MB;tag live → revision demo-") {
		t.Errorf("%+v, %v", moved, err)
	}
	broken, err := rundeploy.Pack(static(t))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := update(rundeploy.Settings{}, broken); !errors.Is(err, shared.ErrNotReady) || !strings.Contains(err.Error(), "the old revision serves on") {
		t.Error(err)
	}
	if s, err := client.Service(ctx, "demo"); err != nil || s.Tags["live"] != moved.Service.Revision {
		t.Errorf("%+v, %v", s, err)
	}
	for want, tag := range map[string]string{"must be a lower-case letter": "Live", "it may have 42 characters": strings.Repeat("x", 43)} {
		if _, err := client.Update(ctx, rundeploy.Spec{Name: "demo"}, rundeploy.UpdateOptions{Tag: tag}); !errors.Is(err, shared.ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q in: %v", want, err)
		}
	}
	if _, err := client.Call(ctx, "demo", shared.Call{Function: "fibonacci", Args: []string{"10"}, Qualifier: "none"}); err == nil || !strings.Contains(err.Error(), "no traffic tag none") {
		t.Error(err)
	}
}
