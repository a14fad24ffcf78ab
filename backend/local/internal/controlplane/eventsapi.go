package controlplane

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/lambdapool/lambdapool/backend/local/internal/service"
	"github.com/lambdapool/lambdapool/backend/local/internal/wire"
)

// What an event invoke configuration may say, in seconds and further runs:
// https://docs.aws.amazon.com/lambda/latest/api/API_PutFunctionEventInvokeConfig.html (2026-11).
const (
	minEventAgeSeconds = 60
	maxEventAgeSeconds = 21_600
	maxEventRetries    = 2
)

// An eventInvokeConfig says what becomes of the events of a function, a version or an
// alias. Destinations are kept and shown, but nothing is sent there.
type eventInvokeConfig struct {
	Age         *int            `json:"MaximumEventAgeInSeconds,omitempty"`
	Retries     *int            `json:"MaximumRetryAttempts,omitempty"`
	Destination json.RawMessage `json:"DestinationConfig,omitempty"`

	modified time.Time
}

// terms returns what the configuration makes of those of all functions: a nil one nothing.
func (c *eventInvokeConfig) terms(t service.Terms) service.Terms {
	if c != nil && c.Age != nil {
		t.Age = time.Duration(*c.Age) * time.Second
	}
	if c != nil && c.Retries != nil {
		t.Delays = t.Delays[:min(*c.Retries, len(t.Delays))]
	}
	return t
}

// eventTerms returns what becomes of an event that was sent to id.
func (l *Lambda) eventTerms(id wire.FunctionID, t service.Terms) service.Terms {
	g := l.region(id.Region)
	g.mu.Lock()
	defer g.mu.Unlock()
	if f := g.functions[id.Name]; f != nil {
		return f.events[cmp.Or(id.Qualifier, wire.Latest)].terms(t)
	}
	return t
}

type eventInvokeAnswer struct {
	eventInvokeConfig

	FunctionArn  string  `json:"FunctionArn"`
	LastModified float64 `json:"LastModified"` // Unix seconds
}

func (c *eventInvokeConfig) describe(f *resource, qualifier string) *eventInvokeAnswer {
	shown := *c
	if len(shown.Destination) == 0 {
		shown.Destination = json.RawMessage(`{"OnSuccess":{},"OnFailure":{}}`)
	}
	return &eventInvokeAnswer{shown, f.arn + ":" + qualifier, float64(c.modified.UnixMilli()) / 1000}
}

// eventTarget is what the request configures. The region's lock is held.
func (c *call) eventTarget() (*resource, string, *wire.Refusal) {
	id, refused := c.id()
	if refused != nil {
		return nil, "", refused
	}
	f, _, refused := c.version(id)
	return f, cmp.Or(id.Qualifier, wire.Latest), refused
}

// putEventInvokeConfig replaces what there is.
func (c *call) putEventInvokeConfig() (any, *wire.Refusal) { return c.setEventInvokeConfig(true) }

// updateEventInvokeConfig changes what is given.
func (c *call) updateEventInvokeConfig() (any, *wire.Refusal) { return c.setEventInvokeConfig(false) }

func (c *call) setEventInvokeConfig(replace bool) (any, *wire.Refusal) {
	var in eventInvokeConfig
	if refused := c.read(&in); refused != nil {
		return nil, refused
	}
	if in.Age == nil && in.Retries == nil && len(in.Destination) == 0 {
		return nil, wire.InvalidParameter("You must specify at least one of error handling or destination setting.")
	}
	if in.Age != nil {
		if refused := within("maximumEventAgeInSeconds", *in.Age, minEventAgeSeconds, maxEventAgeSeconds); refused != nil {
			return nil, refused
		}
	}
	if in.Retries != nil {
		if refused := within("maximumRetryAttempts", *in.Retries, 0, maxEventRetries); refused != nil {
			return nil, refused
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	f, qualifier, refused := c.eventTarget()
	if refused != nil {
		return nil, refused
	}
	set := eventInvokeConfig{}
	if known := f.events[qualifier]; !replace {
		if known == nil {
			return nil, errNoEventInvokeConfig(f, qualifier)
		}
		set = *known
	}
	if in.Age != nil {
		set.Age = in.Age
	}
	if in.Retries != nil {
		set.Retries = in.Retries
	}
	if len(in.Destination) > 0 {
		set.Destination = in.Destination
	}
	set.modified = time.Now()
	f.events[qualifier] = &set
	return set.describe(f, qualifier), nil
}

func errNoEventInvokeConfig(f *resource, qualifier string) *wire.Refusal {
	e := wire.NotFound("")
	e.Message = "The function " + f.arn + ":" + qualifier + " doesn't have an EventInvokeConfig"
	return e
}

func (c *call) getEventInvokeConfig() (any, *wire.Refusal) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f, qualifier, refused := c.eventTarget()
	switch {
	case refused != nil:
		return nil, refused
	case f.events[qualifier] == nil:
		return nil, errNoEventInvokeConfig(f, qualifier)
	}
	return f.events[qualifier].describe(f, qualifier), nil
}

func (c *call) deleteEventInvokeConfig() (any, *wire.Refusal) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f, qualifier, refused := c.eventTarget()
	switch {
	case refused != nil:
		return nil, refused
	case f.events[qualifier] == nil:
		return nil, errNoEventInvokeConfig(f, qualifier)
	}
	delete(f.events, qualifier)
	return nil, nil
}

func (c *call) listEventInvokeConfigs() (any, *wire.Refusal) {
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
	qualifiers, next := page(p, slices.Sorted(maps.Keys(f.events)), func(q string) string { return q })
	all := []*eventInvokeAnswer{}
	for _, q := range qualifiers {
		all = append(all, f.events[q].describe(f, q))
	}
	return struct {
		Configs    []*eventInvokeAnswer `json:"FunctionEventInvokeConfigs"`
		NextMarker *string              `json:"NextMarker,omitempty"`
	}{all, next}, nil
}
