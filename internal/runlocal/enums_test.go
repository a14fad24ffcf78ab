package runlocal_test

import (
	"net/http"
	"testing"

	"github.com/lambdapool/lambdapool/internal/runlocal"
)

// Google's JSON has enumerations by name or by number; what is answered is the name.
func TestEnumerationsAreNamesOrNumbers(t *testing.T) {
	t.Parallel()
	c := start(t, runlocal.Options{})
	for _, test := range []struct {
		in   any
		want int
		says any
	}{
		{1, 200, "INGRESS_TRAFFIC_ALL"},
		{3, 200, "INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER"},
		{"INGRESS_TRAFFIC_NONE", 200, "INGRESS_TRAFFIC_NONE"},
		{0, 200, "INGRESS_TRAFFIC_ALL"}, // not specified
		{5, 400, nil},
		{-1, 400, nil},
		{"ALL", 400, nil},
		{true, 400, nil},
	} {
		status, body := c.api(admin, "POST", c.parent()+"/services?serviceId=it&validateOnly=true", map[string]any{"template": template(), "ingress": test.in})
		if status != test.want {
			t.Errorf("%v: HTTP %d %v, want %d", test.in, status, body, test.want)
		} else if status == http.StatusOK && body["response"].(map[string]any)["ingress"] != test.says {
			t.Errorf("%v: %v, want %v", test.in, body["response"], test.says)
		}
	}
}

func TestUtilizationHasALimit(t *testing.T) {
	t.Parallel()
	c := start(t, runlocal.Options{})
	for _, scaling := range []map[string]any{{"concurrencyUtilization": 0.96}, {"cpuUtilization": 0.91}, {"cpuUtilization": -1}} {
		if status, body := c.api(admin, "POST", c.parent()+"/services?serviceId=it&validateOnly=true", map[string]any{"template": template(set("scaling", scaling))}); status != http.StatusBadRequest {
			t.Errorf("%v: HTTP %d %v", scaling, status, body)
		}
	}
	in := map[string]any{"concurrencyUtilization": 0.95, "cpuUtilization": 0.9}
	if status, body := c.api(admin, "POST", c.parent()+"/services?serviceId=it&validateOnly=true", map[string]any{"template": template(set("scaling", in))}); status != http.StatusOK {
		t.Errorf("%v: HTTP %d %v", in, status, body)
	}
}
