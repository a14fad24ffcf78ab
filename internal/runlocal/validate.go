package runlocal

import (
	"cmp"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

var (
	idPattern    = regexp.MustCompile(`^[a-z]([-a-z0-9]{0,47}[a-z0-9])?$`)
	labelPattern = regexp.MustCompile(`^[a-z][-_a-z0-9]{0,62}$`)
	labelValue   = regexp.MustCompile(`^[-_a-z0-9]{0,63}$`)
	envPattern   = regexp.MustCompile(`^[-._a-zA-Z][-._a-zA-Z0-9]*$`)

	// reservedEnv is the platform's own.
	reservedEnv = []string{"PORT", "K_SERVICE", "K_REVISION", "K_CONFIGURATION"}
	// reservedNamespaces are those of annotations that v2 refuses.
	reservedNamespaces = []string{"run.googleapis.com/", "cloud.googleapis.com/", "serving.knative.dev/", "autoscaling.knative.dev/"}
)

// violation refuses what a service says.
func violation(format string, args ...any) *apiFault {
	return fault(http.StatusBadRequest, "Violation in "+fmt.Sprintf(format, args...))
}

// complete fills in the defaults of a service, and checks what its user has said.
func (s *Server) complete(state *serviceJSON) *apiFault {
	for k, v := range state.Labels {
		if !labelPattern.MatchString(k) || !labelValue.MatchString(v) {
			return violation("Service.labels: invalid label %q: %q", k, v)
		}
	}
	for k := range state.Annotations {
		for _, ns := range reservedNamespaces {
			if strings.HasPrefix(k, ns) {
				return violation("Service.annotations: namespace %s is reserved", strings.TrimSuffix(ns, "/"))
			}
		}
	}
	t := state.Template
	if t == nil || len(t.Containers) == 0 {
		return violation("Service.template.containers: at least one container is required")
	}
	if len(t.Containers) > 1 {
		return violation("Service.template.containers: the embedded Cloud Run has one container only")
	}
	if f := t.Containers[0].complete(); f != nil {
		return f
	}
	if f := t.complete(s.options.CPUs); f != nil {
		return f
	}
	return completeTraffic(state)
}

// complete checks a container.
func (c *containerJSON) complete() *apiFault {
	if c.Image == "" {
		return violation("Service.template.containers[0].image: is required")
	}
	if f := c.completeSource(); f != nil {
		return f
	}
	seen := map[string]bool{}
	for _, e := range c.Env {
		switch {
		case slices.Contains(reservedEnv, e.Name):
			return fault(http.StatusBadRequest, "spec.template.spec.containers[0].env: The following reserved env names were provided: "+e.Name+". These values are automatically set by the system.")
		case !envPattern.MatchString(e.Name) || seen[e.Name]:
			return violation("Service.template.containers[0].env: invalid or repeated name %q", e.Name)
		}
		seen[e.Name] = true
	}
	if c.Resources == nil {
		c.Resources = &resourcesJSON{CPUIdle: true}
	}
	limits := map[string]string{"cpu": "1", "memory": "512Mi"}
	for k, v := range c.Resources.Limits {
		if _, known := limits[k]; !known || amount(v) <= 0 {
			return violation("Service.template.containers[0].resources.limits: %q: %q", k, v)
		}
		limits[k] = v
	}
	c.Resources.Limits = limits
	return nil
}

// complete checks the revision of a container that is complete. cpus is the quota.
func (t *templateJSON) complete(cpus float64) *apiFault {
	t.Timeout = cmp.Or(t.Timeout, "300s")
	if d, err := time.ParseDuration(t.Timeout); err != nil || strings.Trim(t.Timeout, "0123456789.") != "s" || d < time.Second || d > time.Hour {
		return violation("Service.template.timeout: %q must be between 1s and 3600s", t.Timeout)
	}
	cpu := amount(t.Containers[0].Resources.Limits["cpu"])
	if t.Concurrency == 0 {
		if t.Concurrency = 80; cpu < 1 {
			t.Concurrency = 1
		}
	}
	switch {
	case t.Concurrency < 0 || t.Concurrency > 1000:
		return violation("Service.template.max_instance_request_concurrency: %d must be between 1 and 1000", t.Concurrency)
	case cpu < 1 && t.Concurrency > 1:
		return violation("Service.template.containers[0].resources.limits.cpu: total CPU < 1 is not supported with concurrency > 1")
	}
	if t.Scaling == nil {
		t.Scaling = &scalingJSON{}
	}
	quota := int(cpus / cpu)
	if t.Scaling.MaxInstanceCount == 0 {
		t.Scaling.MaxInstanceCount = min(100, quota)
	}
	if n := t.Scaling.MaxInstanceCount; n < 0 || n > quota || t.Scaling.MinInstanceCount > n {
		return violation("Service.template.scaling.max_instance_count: Max instances must be set to %d or fewer in order to set the requested total CPU.", quota)
	}
	if u := t.Scaling; u.CPU < 0 || u.CPU > 0.9 || u.Concurrency < 0 || u.Concurrency > 0.95 {
		return violation("Service.template.scaling: cpu_utilization must be at most 0.9, concurrency_utilization at most 0.95")
	}
	return nil
}

// amount reads a quantity such as "512Mi", "2" or "500m": 0 if it is none.
func amount(text string) float64 {
	for _, u := range []struct {
		suffix string
		factor float64
	}{{"Ki", 1 << 10}, {"Mi", 1 << 20}, {"Gi", 1 << 30}, {"m", 1e-3}, {"k", 1e3}, {"M", 1e6}, {"G", 1e9}, {"", 1}} {
		if number, ok := strings.CutSuffix(text, u.suffix); ok {
			n, err := strconv.ParseFloat(number, 64)
			if err != nil || n < 0 {
				return 0
			}
			return n * u.factor
		}
	}
	return 0
}
