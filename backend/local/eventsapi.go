package local

import (
	"encoding/json"
	"maps"
	"slices"
	"time"
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

// terms returns what the configuration makes of those of the server: a nil one nothing.
func (c *eventInvokeConfig) terms(t eventTerms) eventTerms {
	if c != nil && c.Age != nil {
		t.age = time.Duration(*c.Age) * time.Second
	}
	if c != nil && c.Retries != nil {
		t.delays = t.delays[:min(*c.Retries, len(t.delays))]
	}
	return t
}

// eventTerms returns what becomes of an event that was sent to id.
func (s *Server) eventTerms(id functionID, t eventTerms) eventTerms {
	g := s.region(id.region)
	g.mu.Lock()
	defer g.mu.Unlock()
	if f := g.functions[id.name]; f != nil {
		return f.events[or(id.qualifier, latest)].terms(t)
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
func (c *call) eventTarget() (*resource, string, *apiError) {
	id, refused := c.id()
	if refused != nil {
		return nil, "", refused
	}
	f, _, refused := c.version(id)
	return f, or(id.qualifier, latest), refused
}

// putEventInvokeConfig replaces what there is.
func (c *call) putEventInvokeConfig() (any, *apiError) { return c.setEventInvokeConfig(true) }

// updateEventInvokeConfig changes what is given.
func (c *call) updateEventInvokeConfig() (any, *apiError) { return c.setEventInvokeConfig(false) }

func (c *call) setEventInvokeConfig(replace bool) (any, *apiError) {
	var in eventInvokeConfig
	if refused := c.read(&in); refused != nil {
		return nil, refused
	}
	if in.Age == nil && in.Retries == nil && len(in.Destination) == 0 {
		return nil, errInvalidParameter("You must specify at least one of error handling or destination setting.")
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

func errNoEventInvokeConfig(f *resource, qualifier string) *apiError {
	e := errNotFound("")
	e.message = "The function " + f.arn + ":" + qualifier + " doesn't have an EventInvokeConfig"
	return e
}

func (c *call) getEventInvokeConfig() (any, *apiError) {
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

func (c *call) deleteEventInvokeConfig() (any, *apiError) {
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

func (c *call) listEventInvokeConfigs() (any, *apiError) {
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
