package runlocal_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/lambdapool/lambdapool/internal/runlocal"
)

func TestServicesComeAndGo(t *testing.T) {
	t.Parallel()
	c := start(t, runlocal.Options{Grace: time.Second})
	status, op := c.api(admin, "POST", c.parent()+"/services?serviceId=it&validateOnly=true", map[string]any{"template": template()})
	if status != 200 || op["done"] != true {
		t.Errorf("validateOnly: HTTP %d %v", status, op)
	}
	if status, _ := c.api(admin, "GET", c.parent()+"/services/it", nil); status != 404 {
		t.Errorf("what was only validated is there: HTTP %d", status)
	}
	url := c.create()
	if status, _ := c.api(admin, "POST", c.parent()+"/services?serviceId=it", map[string]any{"template": template()}); status != 409 {
		t.Errorf("a second one: HTTP %d", status)
	}
	_, svc := c.api(admin, "GET", c.parent()+"/services/it", nil)
	if svc["generation"] != "1" || svc["etag"] == "" || svc["terminalCondition"].(map[string]any)["state"] != "CONDITION_SUCCEEDED" || !strings.Contains(fmt.Sprint(svc["latestReadyRevision"]), "/revisions/it-00001-") {
		t.Errorf("%v", svc)
	}
	_, pid, _ := c.invoke(url, "")

	// A change makes a revision, at the same URL, under a new etag.
	old := svc["etag"]
	change := map[string]any{"etag": old, "template": template(set("timeout", "30s")), "labels": map[string]string{"made": "here"}}
	if failed := c.settled(c.api(admin, "PATCH", c.parent()+"/services/it", change)); failed != "" {
		t.Fatal(failed)
	}
	if status, next, _ := c.invoke(url, ""); status != 200 || next == pid {
		t.Errorf("the new revision: HTTP %d, process %s after %s", status, next, pid)
	}
	if status, refused := c.api(admin, "PATCH", c.parent()+"/services/it", change); status != 409 || refused["error"].(map[string]any)["status"] != "ABORTED" {
		t.Errorf("an old etag: HTTP %d %v", status, refused)
	}
	if failed := c.settled(c.api(admin, "PATCH", c.parent()+"/services/it?updateMask=labels", map[string]any{})); failed != "" {
		t.Fatal(failed)
	}
	_, svc = c.api(admin, "GET", c.parent()+"/services/it", nil)
	if svc["labels"] != nil || svc["template"].(map[string]any)["timeout"] != "30s" || svc["generation"] != "3" {
		t.Errorf("%v", svc)
	}

	_, list := c.api(admin, "GET", c.parent()+"/services?pageSize=1", nil)
	if len(list["services"].([]any)) != 1 || list["nextPageToken"] != nil {
		t.Errorf("%v", list)
	}
	if status, _ := c.api(admin, "DELETE", c.parent()+"/services/it?etag=old", nil); status != 409 {
		t.Errorf("delete with an old etag: HTTP %d", status)
	}
	if failed := c.settled(c.api(admin, "DELETE", c.parent()+"/services/it", nil)); failed != "" {
		t.Fatal(failed)
	}
	if status, _, _ := c.invoke(url, ""); status != 404 {
		t.Errorf("a deleted service: HTTP %d", status)
	}
	for _, method := range []string{"GET", "DELETE", "PATCH"} {
		if status, _ := c.api(admin, method, c.parent()+"/services/it", map[string]any{}); status != 404 {
			t.Errorf("%s of a deleted service: HTTP %d", method, status)
		}
	}
}

// An update that does not start leaves the old revision serving.
func TestFailedUpdate(t *testing.T) {
	t.Parallel()
	c := start(t, runlocal.Options{})
	url := c.create()
	c.Grant("roles/artifactregistry.reader", admin, "")
	nowhere := c.Registry() + "/" + c.Project() + "/mine/nowhere"
	failed := c.settled(c.api(admin, "PATCH", c.parent()+"/services/it", map[string]any{"template": template(func(_, box map[string]any) { box["image"] = nowhere })}))
	if !strings.Contains(failed, "Image '"+nowhere+"' not found") {
		t.Errorf("%q", failed)
	}
	if status, _, _ := c.invoke(url, ""); status != 200 {
		t.Errorf("the old revision: HTTP %d", status)
	}
}

func TestWhatIsRefused(t *testing.T) {
	t.Parallel()
	c := start(t, runlocal.Options{})
	box := func(name string, value any) func(map[string]any, map[string]any) {
		return func(_, box map[string]any) { box[name] = value }
	}
	resources := func(cpu, memory string) func(map[string]any, map[string]any) {
		return box("resources", map[string]any{"limits": map[string]any{"cpu": cpu, "memory": memory}})
	}
	for name, tt := range map[string]struct {
		change func(map[string]any, map[string]any)
		want   string
	}{
		"no image":         {box("image", ""), "image: is required"},
		"the platform's":   {box("env", []any{map[string]any{"name": "PORT", "value": "1"}}), "reserved env names were provided: PORT"},
		"an hour and more": {set("timeout", "3601s"), "timeout"},
		"minutes":          {set("timeout", "5m"), "timeout"},
		"concurrency":      {set("maxInstanceRequestConcurrency", 1001), "between 1 and 1000"},
		"quota":            {set("scaling", map[string]any{"maxInstanceCount": 201}), "Max instances must be set to 200 or fewer"},
		"an unknown limit": {box("resources", map[string]any{"limits": map[string]any{"disk": "1Gi"}}), "limits"},
		"half a memory":    {resources("1", "x"), "limits"},
		"unknown field":    {set("retries", 3), "unknown field"},
		"an account":       {set("serviceAccount", caller), "actAs"},
		"no container":     {set("containers", []any{}), "at least one container"},
		"less than one CPU": {func(tmpl, b map[string]any) {
			resources("500m", "1Gi")(tmpl, b)
			tmpl["maxInstanceRequestConcurrency"] = 2
		}, "CPU < 1"},
	} {
		status, answer := c.api(admin, "POST", c.parent()+"/services?serviceId=it", map[string]any{"template": template(tt.change)})
		failed, _ := answer["error"].(map[string]any)
		if status < 400 || !strings.Contains(fmt.Sprint(failed["message"]), tt.want) {
			t.Errorf("%s: HTTP %d %v; want %q", name, status, answer, tt.want)
		}
	}
	for name, body := range map[string]any{
		"label":      map[string]any{"template": template(), "labels": map[string]string{"Made": "Here"}},
		"annotation": map[string]any{"template": template(), "annotations": map[string]string{"run.googleapis.com/client-name": "me"}},
		"name":       map[string]any{"template": template(), "name": "it"},
	} {
		if status, answer := c.api(admin, "POST", c.parent()+"/services?serviceId=it", body); status != 400 {
			t.Errorf("%s: HTTP %d %v", name, status, answer)
		}
	}
}

func TestRights(t *testing.T) {
	t.Parallel()
	c := start(t, runlocal.Options{})
	url := c.create()
	service := strings.TrimPrefix(c.parent(), "/v2/") + "/services/it"
	const developer, viewer = "developer@local-project.iam.gserviceaccount.com", "viewer@local-project.iam.gserviceaccount.com"
	c.Grant("roles/run.developer", developer, "")
	c.Grant("roles/run.viewer", viewer, service)
	bind := map[string]any{"policy": map[string]any{"bindings": []any{map[string]any{"role": "roles/run.invoker", "members": []string{"serviceAccount:" + viewer}}}}}
	for _, tt := range []struct {
		who, method, path string
		body              any
		status            int
	}{
		{caller, "GET", "/services/it", nil, 403}, // who may invoke may not look
		{viewer, "GET", "/services/it", nil, 200},
		{viewer, "GET", "/services", nil, 403}, // not of all
		{viewer, "DELETE", "/services/it", nil, 403},
		{developer, "GET", "/services", nil, 200},
		{developer, "POST", "/services/it:setIamPolicy", bind, 403}, // that is for administrators
		{admin, "POST", "/services/it:setIamPolicy", bind, 200},
		{admin, "GET", "/services/it:getIamPolicy", nil, 200},
		{admin, "POST", "/services/it:frobnicate", bind, 404},
	} {
		if status, answer := c.api(tt.who, tt.method, c.parent()+tt.path, tt.body); status != tt.status {
			t.Errorf("%s: %s %s: HTTP %d %v, want %d", tt.who, tt.method, tt.path, status, answer, tt.status)
		}
	}
	// The policy was replaced: viewer may invoke now, and caller may not.
	if status, _, _ := c.send("POST", url, c.IDToken(viewer, url), ""); status != 200 {
		t.Errorf("viewer: HTTP %d", status)
	}
	if status, _, _ := c.invoke(url, ""); status != 403 {
		t.Errorf("caller: HTTP %d", status)
	}
	if status, _, _ := c.send("GET", c.URL()+c.parent()+"/services/it", "nonsense", ""); status != http.StatusUnauthorized {
		t.Errorf("no access token: HTTP %d", status)
	}
	if status, _ := c.api(admin, "GET", strings.Replace(c.parent(), c.Project(), "another", 1)+"/services", nil); status != 403 {
		t.Errorf("another project: HTTP %d", status)
	}
}
