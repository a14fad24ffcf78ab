package cloudrun_test

import (
	"context"
	"strings"
	"testing"

	"github.com/lambdapool/lambdapool/backend/cloudrun"
)

// What cannot go together, or is no tag, is told before anything is asked.
func TestTagsAndDeployers(t *testing.T) {
	deployer := func(tag string) cloudrun.Option {
		return cloudrun.WithAutoDeploy(func(context.Context, cloudrun.Target) (string, error) { return tag, nil })
	}
	_, done := exampleCredentials()
	defer done()
	for want, opts := range map[string][]cloudrun.Option{
		"nil deployer":             {cloudrun.WithAutoDeploy(nil)},
		`"Live" is not a tag`:      {cloudrun.WithTag("Live")},
		`"" is not a tag`:          {cloudrun.WithTag("")},
		"leave WithTag out":        {deployer("x"), cloudrun.WithTag("live")},
		"the tag's own URL":        {cloudrun.WithURL("https://agents.example.com"), cloudrun.WithTag("live")},
		"WithURL: nothing is look": {cloudrun.WithURL("https://agents.example.com"), deployer("x")},
		`"A" is not a tag`:         {deployer("A")},
	} {
		opts = append(opts, cloudrun.WithProject("local-project"), cloudrun.WithRegion("europe-west1"))
		if b, err := cloudrun.New(t.Context(), "algorithms", opts...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q in: %v, %v", want, err, b)
		}
	}
}
