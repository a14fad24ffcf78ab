package controlplane

import (
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/lambdapool/lambdapool/backend/local/internal/wire"
)

type aliasInput struct {
	Name            *string        `json:"Name"`
	FunctionVersion *string        `json:"FunctionVersion"`
	Description     *string        `json:"Description"`
	RoutingConfig   *routingConfig `json:"RoutingConfig"`
	RevisionID      *string        `json:"RevisionId"`
}

type routingConfig struct {
	AdditionalVersionWeights map[string]float64 `json:"AdditionalVersionWeights"`
}

// An aliasConfiguration is
// https://docs.aws.amazon.com/lambda/latest/api/API_AliasConfiguration.html
type aliasConfiguration struct {
	AliasArn        string         `json:"AliasArn"`
	Name            string         `json:"Name"`
	FunctionVersion string         `json:"FunctionVersion"`
	Description     string         `json:"Description"`
	RoutingConfig   *routingConfig `json:"RoutingConfig,omitempty"`
	RevisionID      string         `json:"RevisionId"`
}

func (a *alias) describe(f *resource) *aliasConfiguration {
	c := &aliasConfiguration{
		AliasArn: f.arn + ":" + a.name, Name: a.name, FunctionVersion: a.version,
		Description: a.description, RevisionID: a.revision,
	}
	if len(a.weights) > 0 {
		c.RoutingConfig = &routingConfig{AdditionalVersionWeights: a.weights}
	}
	return c
}

// A name of digits only would be taken for a version.
var (
	aliasPattern = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,128}$`)
	digits       = regexp.MustCompile(`^[0-9]+$`)
)

func checkDescription(s string) *wire.Refusal {
	if utf8.RuneCountInString(s) > maxDescription {
		return wire.Validation("description", s, "Member must have length less than or equal to "+strconv.Itoa(maxDescription))
	}
	return nil
}

// apply returns a changed by the request, with a new revision.
func (in *aliasInput) apply(f *resource, a alias) (*alias, *wire.Refusal) {
	set(&a.version, in.FunctionVersion)
	set(&a.description, in.Description)
	if in.RoutingConfig != nil {
		a.weights = in.RoutingConfig.AdditionalVersionWeights
	}
	a.revision = wire.RequestID()
	if refused := checkDescription(a.description); refused != nil {
		return nil, refused
	}
	if refused := f.hasVersion(a.version); refused != nil {
		return nil, refused
	}
	if len(a.weights) > 1 {
		return nil, wire.InvalidParameter("Number of items in AdditionalVersionWeights cannot be greater than 1")
	}
	for version, weight := range a.weights {
		if refused := f.hasVersion(version); refused != nil {
			return nil, refused
		}
		switch {
		case !(weight >= 0 && weight <= 1):
			return nil, wire.Validation("routingConfig.additionalVersionWeights", strconv.FormatFloat(weight, 'g', -1, 64), "Map value must satisfy constraint: [Member must have value less than or equal to 1.0, Member must have value greater than or equal to 0.0]")
		case version == wire.Latest || a.version == wire.Latest:
			return nil, wire.InvalidParameter("$LATEST is not supported for an alias pointing to more than 1 version")
		case version == a.version:
			return nil, wire.InvalidParameter("Invalid function version " + version + ". Function version " + version + " is already included in routing configuration.")
		}
	}
	return &a, nil
}

// hasVersion refuses a version that an alias cannot point to.
func (f *resource) hasVersion(number string) *wire.Refusal {
	if number != wire.Latest && !digits.MatchString(number) {
		return wire.Validation("functionVersion", number, `Member must satisfy regular expression pattern: (\$LATEST|[0-9]+)`)
	}
	if f.lookup(number) == nil {
		return wire.NotFound(f.arn + ":" + number)
	}
	return nil
}

func (c *call) createAlias() (any, *wire.Refusal) {
	var in aliasInput
	if refused := c.read(&in); refused != nil {
		return nil, refused
	}
	if in.Name == nil || in.FunctionVersion == nil {
		return nil, wire.InvalidParameter("Name and FunctionVersion are mandatory parameters of an alias.")
	}
	if !aliasPattern.MatchString(*in.Name) || digits.MatchString(*in.Name) {
		return nil, wire.Validation("name", *in.Name, "Member must satisfy regular expression pattern: (?!^[0-9]+$)([a-zA-Z0-9-_]+)")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	f, refused := c.found()
	if refused != nil {
		return nil, refused
	}
	if f.aliases[*in.Name] != nil {
		return nil, wire.Conflict("Alias already exists: " + f.arn + ":" + *in.Name)
	}
	a, refused := in.apply(f, alias{name: *in.Name})
	if refused != nil {
		return nil, refused
	}
	f.aliases[a.name] = a
	return a.describe(f), nil
}

// alias returns the one that the path names. The region's lock is held.
func (c *call) alias() (*resource, *alias, *wire.Refusal) {
	f, refused := c.found()
	if refused != nil {
		return nil, nil, refused
	}
	name := c.r.PathValue("alias")
	a := f.aliases[name]
	if a == nil {
		return nil, nil, &wire.Refusal{Status: http.StatusNotFound, Code: "ResourceNotFoundException", Message: "Cannot find alias arn: " + f.arn + ":" + name}
	}
	return f, a, nil
}

func (c *call) getAlias() (any, *wire.Refusal) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f, a, refused := c.alias()
	if refused != nil {
		return nil, refused
	}
	return a.describe(f), nil
}

func (c *call) updateAlias() (any, *wire.Refusal) {
	var in aliasInput
	if refused := c.read(&in); refused != nil {
		return nil, refused
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	f, a, refused := c.alias()
	if refused != nil {
		return nil, refused
	}
	if in.RevisionID != nil && *in.RevisionID != "" && *in.RevisionID != a.revision {
		return nil, errStale
	}
	changed, refused := in.apply(f, *a)
	if refused != nil {
		return nil, refused
	}
	f.aliases[a.name] = changed
	return changed.describe(f), nil
}

func (c *call) deleteAlias() (any, *wire.Refusal) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f, refused := c.found()
	if refused != nil {
		return nil, refused
	}
	name := c.r.PathValue("alias")
	if f.aliases[name] != nil { // one that is not there is deleted already, as on Lambda
		delete(f.aliases, name)
		delete(f.events, name)
	}
	return nil, nil
}

func (c *call) listAliases() (any, *wire.Refusal) {
	p, refused := c.paging()
	if refused != nil {
		return nil, refused
	}
	of := c.r.URL.Query().Get("FunctionVersion")
	c.mu.Lock()
	defer c.mu.Unlock()
	f, refused := c.found()
	if refused != nil {
		return nil, refused
	}
	all := []*aliasConfiguration{}
	for _, name := range slices.Sorted(maps.Keys(f.aliases)) {
		if a := f.aliases[name]; of == "" || a.version == of || hasKey(a.weights, of) {
			all = append(all, a.describe(f))
		}
	}
	aliases, next := page(p, all, func(a *aliasConfiguration) string { return a.Name })
	return struct {
		Aliases    []*aliasConfiguration `json:"Aliases"`
		NextMarker *string               `json:"NextMarker,omitempty"`
	}{aliases, next}, nil
}

func hasKey[K comparable, V any](m map[K]V, key K) bool {
	_, ok := m[key]
	return ok
}
