package googletest

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	cloudtasks "cloud.google.com/go/cloudtasks/apiv2"
	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"
	"google.golang.org/protobuf/types/known/durationpb"
)

// A target is what tasks are delivered to: it fails the first delivery of each.
type target struct {
	mu   sync.Mutex
	seen []*http.Request
	said []string
}

func (g *target) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.seen, g.said = append(g.seen, r), append(g.said, string(body))
	if len(g.seen) == 1 {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
}

func TestTasksAreCreatedAndDelivered(t *testing.T) {
	c := start(t, "roles/cloudtasks.enqueuer", "roles/iam.serviceAccountUser")
	ctx := soon(t)
	to := &target{}
	server := httptest.NewServer(to)
	defer server.Close()
	client, err := cloudtasks.NewRESTClient(ctx, c.at(c.Environment()["CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDTASKS"])...)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	asked := &cloudtaskspb.CreateTaskRequest{Parent: c.Queue(), Task: &cloudtaskspb.Task{
		Name:             c.Queue() + "/tasks/once",
		DispatchDeadline: durationpb.New(0),
		MessageType: &cloudtaskspb.Task_HttpRequest{HttpRequest: &cloudtaskspb.HttpRequest{
			Url: server.URL + "/work", HttpMethod: cloudtaskspb.HttpMethod_POST, Body: []byte("\x00binary"),
			Headers: map[string]string{"Content-Type": "application/octet-stream"},
			AuthorizationHeader: &cloudtaskspb.HttpRequest_OidcToken{OidcToken: &cloudtaskspb.OidcToken{
				ServiceAccountEmail: developer, Audience: "https://mine.example",
			}},
		}},
	}}
	if _, err := client.CreateTask(ctx, asked); status(err) != http.StatusBadRequest {
		t.Errorf("a deadline of nothing: %v", err)
	}
	asked.Task.DispatchDeadline = durationpb.New(30 * 60e9)
	made, err := client.CreateTask(ctx, asked)
	if err != nil {
		t.Fatal(err)
	}
	if made.GetName() != asked.GetTask().GetName() {
		t.Errorf("made %v", made)
	}
	if _, err := client.CreateTask(ctx, asked); status(err) != http.StatusConflict {
		t.Errorf("the same name again: %v", err)
	}
	c.Wait()
	to.mu.Lock()
	defer to.mu.Unlock()
	if len(to.seen) != 2 { // refused, and taken
		t.Fatalf("%d deliveries", len(to.seen))
	}
	r := to.seen[1]
	if r.URL.Path != "/work" || r.Method != http.MethodPost || to.said[1] != "\x00binary" || r.Header.Get("Content-Type") != "application/octet-stream" ||
		r.Header.Get("X-Cloudtasks-Taskname") != "once" || r.Header.Get("X-Cloudtasks-Taskretrycount") != "1" || !strings.HasPrefix(r.Header.Get("Authorization"), "Bearer ey") {
		t.Errorf("delivered %s %s %v %q", r.Method, r.URL, r.Header, to.said[1])
	}

	asked.Task.Name = c.Queue() + "x/tasks/once"
	asked.Parent = c.Queue() + "x"
	if _, err := client.CreateTask(ctx, asked); status(err) != http.StatusNotFound {
		t.Errorf("another queue: %v", err)
	}
	c.Revoke("roles/cloudtasks.enqueuer", developer, "")
	asked.Parent, asked.Task.Name = c.Queue(), c.Queue()+"/tasks/other"
	if _, err := client.CreateTask(ctx, asked); status(err) != http.StatusForbidden {
		t.Errorf("without the right: %v", err)
	}
	if _, err := client.GetQueue(ctx, &cloudtaskspb.GetQueueRequest{Name: c.Queue()}); status(err) != http.StatusNotImplemented {
		t.Errorf("what is not served: %v", err)
	}
}
