package runlocal_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/lambdapool/lambdapool/internal/runlocal"
)

// What a container prints has a line each, and each request one; the right to read is asked for.
func TestLogging(t *testing.T) {
	t.Parallel()
	c := start(t, runlocal.Options{})
	name, err := c.Deploy(t.Context(), "demo", map[string]any{"template": template()})
	if err != nil {
		t.Fatal(err)
	}
	c.Grant("roles/run.invoker", caller, "")
	var service struct{ URI string }
	if err := c.Call(t.Context(), admin, http.MethodGet, "/v2/"+name, nil, &service); err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, service.URI, strings.NewReader("wait 1ms"))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+c.IDToken(caller, service.URI))
	r.Header.Set("Traceparent", "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01")
	r.Close = true
	resp, err := (&http.Transport{}).RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	list := func(filter string) (texts []string, err error) {
		in := map[string]any{"resourceNames": []string{"projects/local-project"}, "orderBy": "timestamp asc", "pageSize": 1, "filter": filter}
		for {
			var page struct {
				Entries []struct {
					Text string `json:"textPayload"`
					HTTP struct {
						Status int `json:"status"`
					} `json:"httpRequest"`
				}
				Next string `json:"nextPageToken"`
			}
			if err := c.Call(t.Context(), admin, http.MethodPost, "/v2/entries:list", in, &page); err != nil {
				return texts, err
			}
			for _, e := range page.Entries {
				if e.HTTP.Status != 0 {
					e.Text = http.StatusText(e.HTTP.Status)
				}
				texts = append(texts, e.Text)
			}
			if in["pageToken"] = page.Next; page.Next == "" {
				slices.Sort(texts)
				return texts, nil
			}
		}
	}
	if _, err := list(""); err == nil || !strings.Contains(err.Error(), "HTTP 403") {
		t.Errorf("without the right: %v", err)
	}
	c.Grant("roles/logging.viewer", admin, "")
	for all := 0; all < 3; { // what a container prints arrives on its own
		texts, err := list("")
		if err != nil || t.Context().Err() != nil {
			t.Fatal(err, t.Context().Err())
		}
		all = len(texts)
	}
	for filter, want := range map[string]string{
		`resource.type="cloud_run_revision" AND resource.labels.service_name="demo" AND resource.labels.location="europe-west1" AND timestamp>="2020-01-01T00:00:00Z"`: "OK waited waiting",
		`trace="projects/local-project/traces/0123456789abcdef0123456789abcdef"`:                                                                                       "OK",
		`(textPayload="waited")`:                      "waited",
		`(WAITED)`:                                    "waited",
		`textPayload:wait`:                            "waited waiting",
		`"run.googleapis.com"`:                        "OK waited waiting",
		`nowhere`:                                     "",
		`severity>=INFO`:                              "OK",
		`severity>=ERROR`:                             "",
		`resource.labels.service_name="another"`:      "",
		`timestamp>="2999-01-01T00:00:00Z"`:           "",
		`severity="INFO" AND textPayload="something"`: "",
	} {
		if got, err := list(filter); err != nil || strings.Join(got, " ") != want {
			t.Errorf("%s: %q, %v, want %q", filter, got, err, want)
		}
	}
	if _, err := list("something else"); err == nil || !strings.Contains(err.Error(), "HTTP 400") {
		t.Errorf("no query: %v", err)
	}
}
