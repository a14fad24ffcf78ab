package runlocal_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/lambdapool/lambdapool/internal/runlocal"
)

// A tag has a URL of its own, whose revision stays; a token for that URL is none for the service.
func TestTagsHaveURLs(t *testing.T) {
	t.Parallel()
	c := start(t, runlocal.Options{})
	url := c.create()
	service := func() map[string]any {
		t.Helper()
		_, svc := c.api(admin, http.MethodGet, c.parent()+"/services/it", nil)
		return svc
	}
	patch := func(mask string, in map[string]any) string {
		t.Helper()
		return c.settled(c.api(admin, http.MethodPatch, c.parent()+"/services/it?updateMask="+mask, in))
	}
	latest := map[string]any{"type": "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST", "percent": 100}
	tagged := func(tag, revision string) map[string]any {
		return map[string]any{"type": "TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION", "tag": tag, "revision": revision}
	}
	ready := service()["latestReadyRevision"].(string)
	ready = ready[strings.LastIndexByte(ready, '/')+1:]
	if failed := patch("traffic", map[string]any{"traffic": []any{latest, tagged("live", ready)}}); failed != "" {
		t.Fatal(failed)
	}
	if now := service()["latestReadyRevision"].(string); !strings.HasSuffix(now, ready) {
		t.Errorf("a change of traffic made revision %s", now)
	}
	live := service()["trafficStatuses"].([]any)[1].(map[string]any)["uri"].(string)
	_, old, _ := c.invoke(url, "")
	named := template(set("timeout", "30s"), set("revision", "it-second"))
	if failed := patch("template,traffic", map[string]any{"template": named, "traffic": []any{latest, tagged("live", ready), tagged("next", "it-second")}}); failed != "" {
		t.Fatal(failed)
	}
	next := service()["trafficStatuses"].([]any)[2].(map[string]any)["uri"].(string)
	call := func(at, audience string) (int, string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, at, strings.NewReader(""))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+c.IDToken(caller, audience))
		r.Close = true
		resp, err := (&http.Transport{}).RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var pid [16]byte
		n, _ := resp.Body.Read(pid[:])
		return resp.StatusCode, string(pid[:n])
	}
	_, newest := call(url, url)
	if _, got := call(live, url); got != old || newest == old {
		t.Errorf("live is process %s, and was %s; the newest is %s", got, old, newest)
	}
	if _, got := call(next, url); got != newest {
		t.Errorf("next is process %s, and the newest %s", got, newest)
	}
	if status, _ := call(live, live); status != http.StatusUnauthorized {
		t.Errorf("a token for the tag's URL: HTTP %d", status)
	}
	for want, traffic := range map[string][]any{
		"add up to 100":       {tagged("a", ready)},
		"repeated tag":        {latest, tagged("a", ready), tagged("a", ready)},
		"invalid or repeated": {latest, tagged("A", ready)},
		"bad target":          {map[string]any{"type": "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST", "percent": 100, "revision": ready}},
		"splits no traffic":   {map[string]any{"type": "TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION", "percent": 100, "revision": ready}},
	} {
		if status, refused := c.api(admin, http.MethodPatch, c.parent()+"/services/it?updateMask=traffic", map[string]any{"traffic": traffic}); status != 400 || !strings.Contains(refused["error"].(map[string]any)["message"].(string), want) {
			t.Errorf("want %q: HTTP %d %v", want, status, refused)
		}
	}
	if failed := patch("traffic", map[string]any{"traffic": []any{latest, tagged("live", "it-nowhere")}}); !strings.Contains(failed, "not found") {
		t.Errorf("a revision that is not there: %q", failed)
	}
	if status, _ := c.api(admin, http.MethodPatch, c.parent()+"/services/it?updateMask=template", map[string]any{"template": template(set("timeout", "20s"), set("revision", "it-second"))}); status != http.StatusConflict {
		t.Errorf("a revision's name twice: HTTP %d", status)
	}
	if failed := patch("traffic", map[string]any{"traffic": []any{latest}}); failed != "" {
		t.Fatal(failed)
	}
	if len(service()["trafficStatuses"].([]any)) != 1 {
		t.Error("tags are left")
	}
}
