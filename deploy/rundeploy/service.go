package rundeploy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lambdapool/lambdapool/deploy/shared"
	"github.com/lambdapool/lambdapool/internal/googleapi"
	"github.com/lambdapool/lambdapool/internal/httpwire"
)

// A Service is a deployed service, as Cloud Run describes it. It can be printed as JSON, which leaves out the values of
// its environment: they may be secrets.
type Service struct {
	Name    string `json:"name"`
	Project string `json:"project"`
	Region  string `json:"region"`

	// URL is where it is called. It is empty until the service was ready once.
	URL string `json:"url"`

	// Lambdapool is the version of lambdapool that deployed it. "": another tool made it.
	Lambdapool string `json:"lambdapool"`

	// State is "Ready", "Failed" or "Pending". Reason is what Cloud Run says of it.
	State  string `json:"state"`
	Reason string `json:"reason,omitempty"`

	// Image is the name of its image, with the digest. One without an image has "scratch" there, and in Source the archive
	// with its code, gs://BUCKET/OBJECT. Revision is the newest that is ready.
	Image    string `json:"image"`
	Source   string `json:"source,omitempty"`
	Revision string `json:"revision,omitempty"`

	// Memory is in MB, Timeout in seconds: how long a call may take.
	Memory      int     `json:"memory_mb"`
	CPU         float64 `json:"vcpus"`
	Timeout     int     `json:"timeout_seconds"`
	Concurrency int     `json:"concurrency"`
	Instances   int     `json:"instances"`

	// ServiceAccount is who the agent runs as.
	ServiceAccount string    `json:"service_account,omitempty"`
	LastModified   time.Time `json:"last_modified,omitzero"`

	// Env is its environment. Its values may be secrets, so JSON has EnvNames instead.
	Env      map[string]string `json:"-"`
	EnvNames []string          `json:"env,omitempty"`
	Labels   map[string]string `json:"labels,omitempty"`

	// Tags maps the names of tags to the revisions they point to.
	Tags map[string]string `json:"tags,omitempty"`

	source storageJSON // where Source is
	etag   string
	raw    object // all of it, also what is not known here
}

// An object is JSON, of which all is kept.
type object = map[string]any

// at returns an object below, which it makes where it is missing.
func at(o object, key string) object {
	below, _ := o[key].(object)
	if below == nil {
		below = object{}
		o[key] = below
	}
	return below
}

// ingress is the container that gets the requests: the one with a port, or the only one.
func ingress(template object) object {
	containers, _ := template["containers"].([]any)
	for _, each := range containers {
		c, ok := each.(object)
		if ports, _ := c["ports"].([]any); ok && (len(ports) > 0 || len(containers) == 1) {
			return c
		}
	}
	return object{}
}

// describe reads what the Admin API says of a service.
func describe(data []byte) (*Service, error) {
	var in struct {
		Name, URI, ETag string
		Labels          map[string]string
		UpdateTime      time.Time
		Reconciling     bool
		Condition       struct{ State, Message string } `json:"terminalCondition"`
		Ready           string                          `json:"latestReadyRevision"`
		Template        struct {
			Scaling        struct{ MaxInstanceCount int }
			Timeout        string
			Concurrency    int `json:"maxInstanceRequestConcurrency"`
			ServiceAccount string
		}
		Traffic []struct{ Tag, Revision string } `json:"trafficStatuses"`
	}
	s := &Service{Env: map[string]string{}}
	if err := errors.Join(json.Unmarshal(data, &in), json.Unmarshal(data, &s.raw)); err != nil {
		return nil, fmt.Errorf("what the Admin API says of a service cannot be read: %w", err)
	}
	parts := strings.Split(in.Name, "/")
	if len(parts) != 6 {
		return nil, fmt.Errorf("the Admin API has a service with the name %q", in.Name)
	}
	s.Project, s.Region, s.Name = parts[1], parts[3], parts[5]
	s.URL, s.etag, s.Labels, s.LastModified = in.URI, in.ETag, in.Labels, in.UpdateTime
	s.Revision = in.Ready[strings.LastIndexByte(in.Ready, '/')+1:]
	s.Concurrency, s.Instances, s.ServiceAccount = in.Template.Concurrency, in.Template.Scaling.MaxInstanceCount, in.Template.ServiceAccount
	c := ingress(at(s.raw, "template"))
	s.Image, _ = c["image"].(string)
	s.describeSource(c)
	variables, _ := c["env"].([]any)
	for _, each := range variables {
		v, _ := each.(object)
		name, _ := v["name"].(string)
		value, _ := v["value"].(string)
		s.Env[name] = value
	}
	s.EnvNames = slices.Sorted(maps.Keys(s.Env))
	limits := at(at(c, "resources"), "limits")
	cpu, _ := limits["cpu"].(string)
	memory, _ := limits["memory"].(string)
	s.CPU, s.Memory = googleapi.Quantity(cpu), int(googleapi.Quantity(memory)/(1<<20))
	d, err := time.ParseDuration(s.Env[httpwire.EnvTimeout])
	if err != nil {
		d, _ = time.ParseDuration(in.Template.Timeout)
	}
	s.Timeout = int(d / time.Second)
	if s.Lambdapool = s.Env[Marker]; s.Lambdapool == "" || s.Labels[Label] == "" {
		s.Lambdapool = s.Labels[Label]
	}
	s.Reason = in.Condition.Message
	switch {
	case in.Reconciling:
		s.State = "Pending"
	case in.Condition.State == "CONDITION_SUCCEEDED":
		s.State = "Ready"
	default:
		s.State = "Failed"
	}
	for _, t := range in.Traffic {
		if t.Tag != "" {
			if s.Tags == nil {
				s.Tags = map[string]string{}
			}
			s.Tags[t.Tag] = t.Revision
		}
	}
	return s, nil
}

// get returns a service.
func (c *Client) get(ctx context.Context, name string) (*Service, error) {
	var data json.RawMessage
	if err := c.read(ctx, c.admin(c.full(name)), &data); err != nil {
		return nil, err
	}
	return describe(data)
}

// own is get for services that lambdapool made; it refuses others.
func (c *Client) own(ctx context.Context, name string) (*Service, error) {
	s, err := c.get(ctx, name)
	if err == nil && s.Labels[Label] == "" {
		return nil, &shared.Error{Kind: shared.ErrForeign, Hint: "it has no label " + Label + "; change it with the tool that made it"}
	}
	return s, err
}

// the limits of an instance, as Kubernetes writes quantities.
func limits(cpu float64, memory int) map[string]string {
	text := strconv.FormatFloat(cpu, 'f', -1, 64)
	if cpu < 1 {
		text = strconv.Itoa(int(cpu*1000+0.5)) + "m"
	}
	return map[string]string{"cpu": text, "memory": strconv.Itoa(memory) + "Mi"}
}

// told is what an agent is told of its service: no instance knows it by itself.
func told(timeout time.Duration, memory int, cpu float64, concurrency int) map[string]string {
	return map[string]string{
		httpwire.EnvAgent: httpwire.AgentHTTP, httpwire.EnvAuth: httpwire.AuthPlatform,
		httpwire.EnvTimeout: seconds(timeout), httpwire.EnvMemory: strconv.Itoa(memory),
		httpwire.EnvCPU: strconv.FormatFloat(cpu, 'f', -1, 64), httpwire.EnvConcurrency: strconv.Itoa(concurrency),
	}
}

// seconds is how Google's APIs write a duration.
func seconds(d time.Duration) string { return strconv.Itoa(int(d/time.Second)) + "s" }
