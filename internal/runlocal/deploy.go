package runlocal

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// owner is who deploys where a test does not care.
const owner = "owner@local-project.iam.gserviceaccount.com"

// Call makes a request to the Admin API as an account, and reads the answer into out.
func (s *Server) Call(ctx context.Context, email, method, path string, in, out any) error {
	r, err := http.NewRequestWithContext(ctx, method, s.url+path, bytes.NewReader(encode(in)))
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+s.AccessToken(email))
	r.Close = true
	resp, err := (&http.Transport{}).RoundTrip(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s %s: HTTP %d %s", method, path, resp.StatusCode, data)
	}
	if err != nil {
		return err
	}
	return json.Unmarshal(data, out)
}

// Deploy makes a service of that id as its project's owner would, waits until it is ready, and returns its full
// name. service is its JSON form.
func (s *Server) Deploy(ctx context.Context, id string, service any) (name string, err error) {
	s.Grant("roles/run.admin", owner, "")
	parent := fmt.Sprintf("projects/%s/locations/%s", s.options.Project, s.options.Region)
	name = parent + "/services/" + id
	return name, s.change(ctx, http.MethodPost, parent+"/services?serviceId="+id, service)
}

// Update changes fields of a service, by its full name, and waits for that.
func (s *Server) Update(ctx context.Context, name, mask string, service any) error {
	s.Grant("roles/run.admin", owner, "")
	return s.change(ctx, http.MethodPatch, name+"?updateMask="+mask, service)
}

// change makes a request whose answer is an operation, and waits until it is done.
func (s *Server) change(ctx context.Context, method, path string, service any) error {
	var op struct {
		Name  string
		Done  bool
		Error struct{ Message string }
	}
	if err := s.Call(ctx, owner, method, "/v2/"+path, service, &op); err != nil {
		return err
	}
	for !op.Done {
		if err := s.Call(ctx, owner, http.MethodPost, "/v2/"+op.Name+":wait", map[string]string{"timeout": "30s"}, &op); err != nil {
			return err
		}
	}
	if op.Error.Message != "" {
		return errors.New(op.Error.Message)
	}
	return nil
}

// Agents is the JSON form of a service whose container is a lambdapool agent, of an image in Options.Images. Its
// environment has env besides.
func Agents(image string, env map[string]string) map[string]any {
	vars := []map[string]string{{"name": "LAMBDAPOOL_AGENT", "value": "http"}, {"name": "LAMBDAPOOL_AUTH", "value": "platform"}}
	for name, value := range env {
		vars = append(vars, map[string]string{"name": name, "value": value})
	}
	return map[string]any{"template": map[string]any{"containers": []map[string]any{{"image": image, "env": vars}}}}
}
