package cloudrun

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/lambdapool/lambdapool/driver"
	"github.com/lambdapool/lambdapool/internal/googleapi"
	"github.com/lambdapool/lambdapool/internal/httpwire"
	"github.com/lambdapool/lambdapool/price"
)

const (
	// defaultInstances is how many instances a service may have that does not say it
	// (cloud.google.com/run/docs/configuring/max-instances, 2026-11).
	defaultInstances = 100
	// defaultConcurrency is how many requests an instance with a vCPU or more takes at once where the
	// service does not say it; one with less takes one (cloud.google.com/run/docs/about-concurrency, 2026-11).
	defaultConcurrency = 80
)

// A place is where a service is.
type place struct{ project, region, service string }

// servicePattern is what Cloud Run takes for the name of a service: up to 49 characters
// (cloud.google.com/run/docs/reference/rest/v2/projects.locations.services/create, 2026-11).
var servicePattern = regexp.MustCompile(`^[a-z]([-a-z0-9]{0,47}[a-z0-9])?$`)

// locate reads the name of a service, which may be a full one:
// projects/PROJECT/locations/REGION/services/NAME.
func locate(name string, o *options) (place, error) {
	p := place{project: o.project, region: o.region, service: name}
	if strings.Contains(name, "/") {
		parts := strings.Split(name, "/")
		if len(parts) != 6 || parts[0] != "projects" || parts[2] != "locations" || parts[4] != "services" {
			return p, errors.New("not the name of a service (want NAME, or projects/PROJECT/locations/REGION/services/NAME)")
		}
		for _, c := range []struct{ what, option, full string }{{"project", o.project, parts[1]}, {"region", o.region, parts[3]}} {
			if c.option != "" && c.option != c.full {
				return p, fmt.Errorf("the name has the %s %s, an option has %s", c.what, c.full, c.option)
			}
		}
		p = place{parts[1], parts[3], parts[5]}
		if !segment.MatchString(p.project) || !segment.MatchString(p.region) {
			return p, errors.New("not the name of a service (want NAME, or projects/PROJECT/locations/REGION/services/NAME)")
		}
	}
	if !servicePattern.MatchString(p.service) {
		return p, fmt.Errorf("%q is not the name of a service (lower-case letters, digits and hyphens, 49 at most)", p.service)
	}
	p.project = cmp.Or(p.project, os.Getenv("GOOGLE_CLOUD_PROJECT"))
	p.region = cmp.Or(p.region, os.Getenv("CLOUDSDK_RUN_REGION"))
	return p, nil
}

func (p place) String() string {
	return "projects/" + p.project + "/locations/" + p.region + "/services/" + p.service
}

// A service is what the Admin API says of one, as far as it matters here:
// https://cloud.google.com/run/docs/reference/rest/v2/projects.locations.services, 2026-11.
type service struct {
	URI       string           `json:"uri"`
	Unchecked bool             `json:"invokerIamDisabled"` // anybody may invoke it
	Scaling   scaling          `json:"scaling"`
	Template  revisionTemplate `json:"template"`
	Condition condition        `json:"terminalCondition"`
	Traffic   []traffic        `json:"trafficStatuses"`
}

type traffic struct{ Tag, URI string }

type scaling struct {
	Most   int    `json:"maxInstanceCount"`
	Mode   string `json:"scalingMode"`
	Manual int    `json:"manualInstanceCount"`
}

type revisionTemplate struct {
	Scaling     scaling     `json:"scaling"`
	Timeout     string      `json:"timeout"` // such as "300s"
	Concurrency int         `json:"maxInstanceRequestConcurrency"`
	Containers  []container `json:"containers"`
}

type container struct {
	Ports     []struct{} `json:"ports"`
	Resources struct {
		Limits map[string]string `json:"limits"` // cpu and memory, such as "2" and "512Mi"
	} `json:"resources"`
	Env []struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	} `json:"env"`
}

type condition struct {
	State   string `json:"state"`
	Message string `json:"message"`
}

// lookUp asks the Admin API for a service.
func (id *identity) lookUp(ctx context.Context, p place) (*service, error) {
	var s service
	err := id.Call(ctx, id.Found.TokenSource, http.MethodGet, id.At.Run+"/v2/"+p.String(), nil, &s)
	switch {
	case googleapi.IsDisabled(err):
		return nil, fmt.Errorf("look it up: %w (`gcloud services enable run.googleapis.com --project %s` turns the API on)", err, p.project)
	case errors.Is(err, driver.ErrFunctionNotFound):
		return nil, fmt.Errorf("look it up: %w (check project, region and name)", err)
	case errors.Is(err, driver.ErrAccessDenied) && googleapi.FromTokens(err):
		return nil, fmt.Errorf("look it up: %w (these credentials are not taken: gcloud auth application-default login, or name another file with GOOGLE_APPLICATION_CREDENTIALS)", err)
	case errors.Is(err, driver.ErrAccessDenied):
		return nil, fmt.Errorf("look it up: %w (that needs roles/run.viewer; with WithURL nothing is looked up)", err)
	case err != nil:
		return nil, fmt.Errorf("look it up: %w", err)
	case s.URI == "":
		return nil, fmt.Errorf("look it up: it has no URL yet: %s", cmp.Or(s.Condition.Message, "it is being made"))
	}
	return &s, nil
}

// ingress is the container that gets the requests: the one with a port, or the only one.
func (s *service) ingress() container {
	for _, c := range s.Template.Containers {
		if len(c.Ports) > 0 || len(s.Template.Containers) == 1 {
			return c
		}
	}
	return container{}
}

func (c container) variable(name string) string {
	for _, e := range c.Env {
		if e.Name == name {
			return e.Value
		}
	}
	return ""
}

// workers is how many requests all instances take at once.
func (s *service) workers() int {
	instances := defaultInstances
	if s.Template.Scaling.Most > 0 {
		instances = s.Template.Scaling.Most
	}
	if s.Scaling.Most > 0 { // all revisions together
		instances = min(instances, s.Scaling.Most)
		if s.Template.Scaling.Most == 0 {
			instances = s.Scaling.Most
		}
	}
	if s.Scaling.Mode == "MANUAL" {
		instances = max(s.Scaling.Manual, 1)
	}
	c := s.ingress()
	each := s.Template.Concurrency
	if each < 1 {
		each = defaultConcurrency
		if cpus := googleapi.Quantity(c.Resources.Limits["cpu"]); cpus > 0 && cpus < 1 {
			each = 1
		}
	}
	if n, err := strconv.Atoi(c.variable(httpwire.EnvConcurrency)); err == nil && n > 0 {
		each = min(each, n) // the agent refuses more
	}
	return min(instances*each, driver.MaxWorkers)
}

// timeout is how long a request may take: 0 if the service does not say it.
func (s *service) timeout() time.Duration {
	limit := seconds(s.Template.Timeout)
	if own := seconds(s.ingress().variable(httpwire.EnvTimeout)); own > 0 && (limit == 0 || own < limit) {
		limit = own
	}
	return limit
}

func seconds(text string) time.Duration {
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 || d > httpwire.MaxTimeout {
		return 0
	}
	return d
}

// memory is what an instance has, in bytes.
func (s *service) memory() int64 {
	return cmp.Or(int64(googleapi.Quantity(s.ingress().Resources.Limits["memory"])), defaultMemory)
}

// cpus is how many vCPUs an instance has.
func (s *service) cpus() float64 {
	return cmp.Or(googleapi.Quantity(s.ingress().Resources.Limits["cpu"]), defaultCPUs)
}

// What an instance has where the service does not say it. Sources: docs.cloud.google.com/run/docs/configuring/services/
// memory-limits and cpu, 2026-11.
const (
	defaultMemory = 512 << 20
	defaultCPUs   = 1
)

// perGBSecond is what a second of an instance costs, in US dollars, for each GiB of memory that it has: that is what
// an executor counts. Requests that an instance answers at once share what is charged, so it is rather too much.
func perGBSecond(cpus float64, memory int64) float64 {
	p := price.CloudRun()
	gib := float64(memory) / (1 << 30)
	return (cpus*p.PerVCPUSecond + gib*p.PerGiBSecond) / gib
}
