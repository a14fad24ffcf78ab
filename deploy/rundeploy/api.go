package rundeploy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/lambdapool/lambdapool/deploy/internal/steps"
	"github.com/lambdapool/lambdapool/deploy/shared"
	"github.com/lambdapool/lambdapool/driver"
)

// The resources of the Admin API, with the fields that are written here:
// https://cloud.google.com/run/docs/reference/rest/v2/projects.locations.services, 2026-11.
type (
	serviceJSON struct {
		Description string            `json:"description,omitempty"`
		Labels      map[string]string `json:"labels,omitempty"`
		Client      string            `json:"client,omitempty"`
		Template    templateJSON      `json:"template"`
	}
	templateJSON struct {
		Labels         map[string]string `json:"labels,omitempty"`
		Scaling        scalingJSON       `json:"scaling"`
		Timeout        string            `json:"timeout"` // such as "310s"
		ServiceAccount string            `json:"serviceAccount,omitempty"`
		Concurrency    int               `json:"maxInstanceRequestConcurrency"`
		Containers     []containerJSON   `json:"containers"`
	}
	scalingJSON struct {
		Most int `json:"maxInstanceCount,omitempty"`
	}
	containerJSON struct {
		Image     string        `json:"image"`
		BaseImage string        `json:"baseImageUri,omitempty"`
		Source    *sourceJSON   `json:"sourceCode,omitempty"`
		Command   []string      `json:"command,omitempty"`
		Env       []envJSON     `json:"env,omitempty"`
		Resources resourcesJSON `json:"resources"`
	}
	sourceJSON struct {
		Storage storageJSON `json:"cloudStorageSource"`
	}
	storageJSON struct {
		Bucket     string `json:"bucket"`
		Object     string `json:"object"`
		Generation int64  `json:"generation,string,omitempty"`
	}
	envJSON struct {
		Name  string `json:"name"`
		Value string `json:"value,omitempty"`
	}
	resourcesJSON struct {
		Limits map[string]string `json:"limits"`  // cpu and memory
		Idle   bool              `json:"cpuIdle"` // billed while there are requests: with resources set it is not the default
		Boost  bool              `json:"startupCpuBoost"`
	}
)

// An operation is what a change begins: https://cloud.google.com/run/docs/reference/rest/v2/Operation.
type operation struct {
	Name  string `json:"name"`
	Done  bool   `json:"done"`
	Error struct {
		Message string `json:"message"`
	} `json:"error"`
	Response json.RawMessage `json:"response"`
}

// call sends a request to an API, once. path begins behind the API's address.
func (c *Client) call(ctx context.Context, method, address string, in, out any) error {
	return steps.Cause(ctx, c.id.Call(ctx, c.id.Found.TokenSource, method, address, in, out))
}

// read asks, again if nobody has answered: nothing changes by that.
func (c *Client) read(ctx context.Context, address string, out any) error {
	for left := reads - 1; ; left-- {
		err := c.call(ctx, http.MethodGet, address, nil, out)
		if err == nil || left == 0 || ctx.Err() != nil || !errors.Is(err, driver.ErrUnreachable) {
			return err
		}
		if err := steps.Sleep(ctx, c.poll); err != nil {
			return err
		}
	}
}

// admin is an address in the Admin API.
func (c *Client) admin(name string, query ...string) string {
	at := c.id.At.Run + "/v2/" + name
	if len(query) > 0 {
		v := url.Values{}
		for i := 0; i+1 < len(query); i += 2 {
			if query[i+1] != "" {
				v.Set(query[i], query[i+1])
			}
		}
		at += "?" + v.Encode()
	}
	return at
}

// change makes a request that is not interrupted, and waits for its operation until ctx ends.
func (c *Client) change(ctx context.Context, method, address string, in any) error {
	op, err := c.begin(ctx, method, address, in)
	if err != nil {
		return err
	}
	return c.await(ctx, c.id.At.Run+"/v2/", op)
}

func (c *Client) begin(ctx context.Context, method, address string, in any) (*operation, error) {
	request, done := steps.Whole(ctx)
	defer done()
	op := &operation{}
	return op, c.call(request, method, address, in, op)
}

// await waits for the end of an operation.
func (c *Client) await(ctx context.Context, api string, op *operation) error {
	for deadline := time.Now().Add(readyWithin); !op.Done; {
		if time.Now().After(deadline) {
			return &shared.Error{Kind: shared.ErrNotReady, Err: fmt.Errorf("the operation %s goes on after %v", op.Name, readyWithin)}
		}
		if err := steps.Sleep(ctx, c.poll); err != nil {
			return err
		}
		name := op.Name
		*op = operation{}
		if err := c.read(ctx, api+name, op); err != nil {
			return err
		}
	}
	if op.Error.Message != "" {
		return &shared.Error{Kind: shared.ErrNotReady, Err: fmt.Errorf("the operation failed: %s", op.Error.Message)}
	}
	return nil
}

// validate has Cloud Run check a change without making it.
func (c *Client) validate(ctx context.Context, method, address string, in any) error {
	return c.call(ctx, method, address, in, &operation{})
}
