package controlplane

import (
	"net/http"

	"github.com/lambdapool/lambdapool/backend/local/internal/wire"
)

var errStale = &wire.Refusal{
	Status: http.StatusPreconditionFailed, Code: "PreconditionFailedException",
	Message: "The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to retrieve the latest Revision Id",
}

// free refuses a change while another is under way, or when the caller knows
// an older revision.
func (f *resource) free(revision *string) *wire.Refusal {
	switch v := f.latest; {
	case v.busy() && v.created:
		return wire.Conflict("The operation cannot be performed at this time. The function is currently in the following state: Pending")
	case v.busy():
		return wire.Conflict("The operation cannot be performed at this time. An update is in progress for resource: " + f.arn)
	case revision != nil && *revision != "" && *revision != v.revision:
		return errStale
	}
	return nil
}

// replace makes s the latest. What was goes on serving until the update is done. The region's lock
// is held, and no other update is under way.
func (g *regional) replace(f *resource, s settings) {
	old := g.serving(f.latest)
	s.code.retain()
	f.latest = g.newVersion(s, false)
	if f.latest.busy() {
		f.latest.before = old
		return
	}
	g.discard(old)
}

func (c *call) updateFunctionConfiguration() (any, *wire.Refusal) {
	var in struct {
		configuration

		RevisionID *string `json:"RevisionId"`
	}
	if refused := c.read(&in); refused != nil {
		return nil, refused
	}
	if in.Layers != nil {
		if refused := c.haveLayers(*in.Layers); refused != nil {
			return nil, refused
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	f, refused := c.found()
	if refused != nil {
		return nil, refused
	}
	s, refused := in.apply(f.latest.settings)
	if refused != nil {
		return nil, refused
	}
	if in.Role != nil {
		if refused := c.lambda.iam.Assumable(s.role); refused != nil {
			return nil, refused
		}
	}
	if refused := f.free(in.RevisionID); refused != nil {
		return nil, refused
	}
	c.replace(f, s)
	return f.latest.underWay(f.arn), nil
}

func (c *call) updateFunctionCode() (any, *wire.Refusal) {
	var in struct {
		codeInput

		Architectures []string `json:"Architectures"`
		Publish       bool     `json:"Publish"`
		DryRun        bool     `json:"DryRun"`
		RevisionID    *string  `json:"RevisionId"`
	}
	if refused := c.read(&in); refused != nil {
		return nil, refused
	}
	if refused := checkArchitectures(in.Architectures); refused != nil {
		return nil, refused
	}
	if refused := c.changeable(in.RevisionID); refused != nil { // before the work of unpacking
		return nil, refused
	}
	code, refused := c.unpack(&in.codeInput)
	if refused != nil {
		return nil, refused
	}
	defer c.lambda.codes.release(code) // versions have their own hold on it
	c.mu.Lock()
	defer c.mu.Unlock()
	f, refused := c.found()
	if refused != nil {
		return nil, refused
	}
	if refused := f.free(in.RevisionID); refused != nil {
		return nil, refused
	}
	if refused := c.room(code); refused != nil {
		return nil, refused
	}
	s := f.latest.settings
	s.code = code
	if in.DryRun {
		return c.newVersion(s, false).underWay(f.arn), nil
	}
	c.replace(f, s)
	if in.Publish {
		v := c.publish(f, nil)
		return v.underWay(f.arn + ":" + v.number), nil
	}
	return f.latest.underWay(f.arn), nil
}

func (c *call) changeable(revision *string) *wire.Refusal {
	c.mu.Lock()
	defer c.mu.Unlock()
	f, refused := c.found()
	if refused != nil {
		return refused
	}
	return f.free(revision)
}

func (c *call) publishVersion() (any, *wire.Refusal) {
	var in struct {
		CodeSha256  *string `json:"CodeSha256"`
		Description *string `json:"Description"`
		RevisionID  *string `json:"RevisionId"`
	}
	if refused := c.read(&in); refused != nil {
		return nil, refused
	}
	if in.Description != nil {
		if refused := checkDescription(*in.Description); refused != nil {
			return nil, refused
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	f, refused := c.found()
	if refused != nil {
		return nil, refused
	}
	if refused := f.free(in.RevisionID); refused != nil {
		return nil, refused
	}
	if now := f.latest.settings.code.sha256; in.CodeSha256 != nil && *in.CodeSha256 != "" && *in.CodeSha256 != now {
		return nil, wire.InvalidParameter("CodeSHA256 (" + *in.CodeSha256 + ") is different from current CodeSHA256 in $LATEST (" + now + "). Please try again with the CodeSHA256 in $LATEST.")
	}
	v := c.publish(f, in.Description)
	return v.withState(f.arn + ":" + v.number), nil
}

func (c *call) listVersions() (any, *wire.Refusal) {
	p, refused := c.paging()
	if refused != nil {
		return nil, refused
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	f, refused := c.found()
	if refused != nil {
		return nil, refused
	}
	all := []*functionConfiguration{}
	for _, v := range f.versions() {
		all = append(all, v.describe(f.arn+":"+v.number))
	}
	versions, next := page(p, all, func(c *functionConfiguration) string { return versionKey(c.Version) })
	return struct {
		Versions   []*functionConfiguration `json:"Versions"`
		NextMarker *string                  `json:"NextMarker,omitempty"`
	}{versions, next}, nil
}
