package rundeploy

import (
	"context"
	"crypto/rand"
	"net/http"
	"regexp"
	"strings"

	"github.com/lambdapool/lambdapool/deploy/internal/steps"
)

// maxTagged is how long a tag and the name of its service may be together: both are a part of a host's name, which ends
// with a hash and the region.
const maxTagged = 46

var tagPattern = regexp.MustCompile(`^[a-z]([-a-z0-9]*[a-z0-9])?$`)

// checkTag refuses what could be no tag of a service. "" is none.
func checkTag(service, tag string) error {
	switch {
	case tag == "":
	case !tagPattern.MatchString(tag):
		return steps.Invalid("tag %q: must be a lower-case letter, then lower-case letters, digits and hyphens", tag)
	case len(service)+len(tag) > maxTagged:
		return steps.Invalid("tag %q: with service %s it may have %d characters", tag, service, max(maxTagged-len(service), 0))
	}
	return nil
}

// tagMask says what is sent to set a tag: a new revision with it, or the tag alone.
func tagMask(revision bool) string {
	if revision {
		return "labels,template,traffic"
	}
	return "traffic"
}

// point has a tag lead to the revision that the change makes, which gets a name for that, or to the newest if there is
// nothing else to change. It returns the traffic. All else of it stays: mostly that the newest revision gets all requests.
func (d *difference) point(tag string) []any {
	revision := d.s.Revision
	if d.changed {
		revision = d.s.Name + "-" + strings.ToLower(rand.Text()[:8])
		d.template["revision"] = revision
	}
	d.sayf("tag %s → revision %s", tag, revision)
	others, _ := targets(d.s, tag)
	return append(others, object{"type": "TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION", "tag": tag, "revision": revision})
}

// targets are the parts of a service's traffic without a tag, and the one that has it, if there is one.
func targets(s *Service, tag string) (others, tagged []any) {
	traffic, _ := s.raw["traffic"].([]any)
	for _, each := range traffic {
		if t, _ := each.(object); t["tag"] == tag {
			tagged = append(tagged, each)
		} else {
			others = append(others, each)
		}
	}
	if len(others) == 0 {
		others = []any{object{"type": "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST", "percent": 100}}
	}
	return others, tagged
}

// retract has a tag be again what it was before, since the revision that it was to lead to did not start.
func (c *Client) retract(ctx context.Context, before *Service, tag string) error {
	now, err := c.settled(ctx, before.Name)
	if err != nil {
		return err
	}
	others, _ := targets(now, tag)
	_, tagged := targets(before, tag)
	in := object{"traffic": append(others, tagged...), "etag": now.etag}
	return c.change(ctx, http.MethodPatch, c.admin(c.full(before.Name), "updateMask", tagMask(false)), in)
}
