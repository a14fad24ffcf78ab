package rundeploy_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/lambdapool/lambdapool/backend/cloudrun"
	"github.com/lambdapool/lambdapool/deploy/rundeploy"
	"github.com/lambdapool/lambdapool/deploy/shared"
	"github.com/lambdapool/lambdapool/internal/runlocal"
)

// exampleCloud is shared by all examples: keys take time to make.
var exampleCloud struct {
	once   sync.Once
	server *runlocal.Server
	key    []byte
	err    error
}

// onLocal does something on an embedded Cloud Run, with the service demo on it.
func onLocal(do func(ctx context.Context, client *rundeploy.Client) error) {
	if err := tryLocal(context.Background(), do); err != nil {
		fmt.Println(err)
	}
}

func tryLocal(ctx context.Context, do func(ctx context.Context, client *rundeploy.Client) error) (err error) {
	c := &exampleCloud
	c.once.Do(func() {
		if c.server, c.err = runlocal.New(runlocal.Options{Grace: time.Millisecond}); c.err == nil {
			c.key, c.err = c.server.KeyFile(deployer)
			for _, role := range append(deploying, "roles/artifactregistry.admin", "roles/run.admin", "roles/run.invoker") {
				c.server.Grant(role, deployer, "")
			}
		}
	})
	if c.err != nil {
		return c.err
	}
	dir, err := os.MkdirTemp("", "rundeploy")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	file := filepath.Join(dir, "credentials.json")
	before := os.Getenv("GOOGLE_APPLICATION_CREDENTIALS")
	if err := errors.Join(os.WriteFile(file, c.key, 0o600), os.Setenv("GOOGLE_APPLICATION_CREDENTIALS", file)); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Setenv("GOOGLE_APPLICATION_CREDENTIALS", before)) }()
	p := rundeploy.Project{ID: c.server.Project(), Region: c.server.Region(), Endpoint: c.server.URL(), Registry: c.server.Registry()}
	client, err := rundeploy.Open(ctx, p, rundeploy.WithPoll(time.Millisecond))
	if err != nil {
		return err
	}
	defer client.Close()
	a, err := agent()
	if err != nil {
		return err
	}
	if _, err := client.Create(ctx, rundeploy.Spec{Name: "demo", Artifact: a}, rundeploy.CreateOptions{NoSmoke: true}); err != nil {
		return err
	}
	defer func() {
		if _, gone := client.Delete(ctx, "demo", false); !errors.Is(gone, shared.ErrNotFound) {
			err = errors.Join(err, gone)
		}
	}()
	return do(ctx, client)
}

// Deploy a main package, call it once, and delete it.
func Example() {
	deploy := func(ctx context.Context) error {
		client, err := rundeploy.Open(ctx, rundeploy.Project{ID: "my-project", Region: "europe-west1"},
			rundeploy.WithProgress(func(e shared.Event) { fmt.Fprintln(os.Stderr, e.Step, e.Text) }))
		if err != nil {
			return err
		}
		defer client.Close()
		spec := rundeploy.Spec{Name: "demo", Package: "./cmd/demo", Settings: rundeploy.Settings{Memory: 1024, Instances: 200}}
		if err := spec.Check(); err != nil {
			return err
		}
		created, err := client.Create(ctx, spec, rundeploy.CreateOptions{})
		if err != nil {
			return err
		}
		fmt.Println(created.Service.URL)
		return nil
	}
	_ = deploy // it needs an account
	fmt.Println((&rundeploy.Spec{Name: "demo", Settings: rundeploy.Settings{CPU: 3}}).Check())
	// Output: lambdapool: 3 vCPUs: Cloud Run allows 0.08 to 1, 2, 4, 6 or 8
}

func ExampleClient_Call() {
	onLocal(func(ctx context.Context, client *rundeploy.Client) error {
		r, err := client.Call(ctx, "demo", shared.Call{Function: "fibonacci", Args: []string{"30"}})
		if err != nil {
			return err
		}
		fmt.Printf("%s: %s\n", r.Shape, r.Value)
		return nil
	})
	// Output: func(int) int: 832040
}

// A changed setting makes a new revision, with the same image.
func ExampleClient_Update() {
	onLocal(func(ctx context.Context, client *rundeploy.Client) error {
		wanted := rundeploy.Spec{Name: "demo", Settings: rundeploy.Settings{Memory: 1024, Timeout: time.Minute}}
		updated, err := client.Update(ctx, wanted, rundeploy.UpdateOptions{})
		if err != nil {
			return err
		}
		for _, change := range updated.Plan {
			fmt.Println(change)
		}
		return nil
	})
	// Output:
	// memory 512 → 1024 MB
	// timeout 5m0s → 1m0s
}

func ExampleClient_List() {
	onLocal(func(ctx context.Context, client *rundeploy.Client) error {
		fmt.Println("in", client.Project().Region)
		for s, err := range client.List(ctx) {
			if err != nil {
				return err
			}
			again, err := client.Service(ctx, s.Name)
			if err != nil {
				return err
			}
			fmt.Println(again.Name, again.State, again.Memory, "MB")
		}
		return nil
	})
	// Output:
	// in europe-west1
	// demo Ready 512 MB
}

func ExampleClient_Show() {
	onLocal(func(ctx context.Context, client *rundeploy.Client) error {
		shown, err := client.Show(ctx, "demo")
		if err != nil {
			return err
		}
		registry, err := client.Describe(ctx, "demo")
		if err != nil {
			return err
		}
		fibonacci, err := client.Foreign(ctx, "demo", shared.Call{Function: "fibonacci"})
		if err != nil {
			return err
		}
		fmt.Println(fibonacci.Name, fibonacci.Shape)
		fmt.Println(shown.Service.CPU, "vCPU,", shown.Registry.Functions[0].Name == registry.Functions[0].Name)
		return nil
	})
	// Output:
	// fibonacci func(int) int
	// 1 vCPU, true
}

func ExampleClient_Logs() {
	onLocal(func(ctx context.Context, client *rundeploy.Client) error {
		r, err := client.Call(ctx, "demo", shared.Call{Function: "fibonacci", Args: []string{"5"}})
		if err != nil {
			return err
		}
		for line, err := range client.Logs(ctx, "demo", shared.LogQuery{RequestID: r.RequestID}) {
			if err != nil {
				return err
			}
			fmt.Println(line.Text[:len("POST 200")])
		}
		return nil
	})
	// Output: POST 200
}

func ExampleClient_Doctor() {
	onLocal(func(ctx context.Context, client *rundeploy.Client) error {
		findings, err := client.Doctor(ctx, "demo", rundeploy.DoctorOptions{Workers: 500})
		if err != nil {
			return err
		}
		for _, f := range findings {
			if f.Level == shared.Warning {
				fmt.Println(f.Check+":", f.Text)
			}
		}
		return nil
	})
	// Output:
	// account: the agent runs as the project's default account, which may be an editor of the whole project
	// concurrency: 100 instances at most take 100 requests at once: 500 workers wait for them, and are refused after ten seconds
}

// Whoever may set rights lets an account call a service.
func ExampleClient_GrantInvoker() {
	onLocal(func(ctx context.Context, client *rundeploy.Client) error {
		return client.GrantInvoker(ctx, "demo", "serviceAccount:runner@my-project.iam.gserviceaccount.com")
	})
	// Output:
}

func ExampleClient_GrantViewer() {
	onLocal(func(ctx context.Context, client *rundeploy.Client) error {
		return client.GrantViewer(ctx, "demo", "serviceAccount:runner@my-project.iam.gserviceaccount.com")
	})
	// Output:
}

func ExampleClient_Delete() {
	onLocal(func(ctx context.Context, client *rundeploy.Client) error {
		deleted, err := client.Delete(ctx, "demo", false)
		fmt.Println(deleted)
		return err
	})
	// Output: [service demo]
}

func ExampleClientRights() {
	rights, err := rundeploy.ClientRights(rundeploy.RightsInput{
		Project: "my-project", Region: "europe-west1", Service: "demo", Member: "serviceAccount:runner@my-project.iam.gserviceaccount.com",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, r := range rights {
		fmt.Println(r.Role, "on", r.On)
	}
	// Output:
	// roles/run.invoker on run services demo
	// roles/run.viewer on run services demo
}

func ExampleDeployerRights() {
	rights, err := rundeploy.DeployerRights(rundeploy.RightsInput{Project: "my-project", Region: "europe-west1", Service: "demo", Member: "user:ann@example.com"})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(rights[2].Command)
	// Output: gcloud artifacts repositories add-iam-policy-binding lambdapool --location=europe-west1 --project=my-project --member=user:ann@example.com --role=roles/artifactregistry.writer
}

func ExamplePack() {
	_, err := rundeploy.Pack([]byte("#!/bin/sh\necho no agent\n"))
	fmt.Println(errors.Is(err, shared.ErrInvalid))
	a, err := rundeploy.Build(context.Background(), "", "github.com/lambdapool/lambdapool/examples/algorithms")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(a.Package, a.Digest[:7])
	// Output:
	// true
	// github.com/lambdapool/lambdapool/examples/algorithms sha256:
}

func ExampleEstimates() {
	service := rundeploy.Service{CPU: 1, Memory: 512, Timeout: 300}
	for _, e := range rundeploy.Estimates([]time.Duration{2 * time.Millisecond}, 1_000_000, service, 1, 50) {
		fmt.Printf("%d in a request: $%.2f %v\n", e.Chunk, e.USD, e.Cheapest)
	}
	// Output:
	// 1 in a request: $2.93 false
	// 50 in a request: $0.06 true
}

// A program that is client and agent at once brings its own build. This one is none: it did not call agent.Main.
func ExampleAuto() {
	onLocal(func(ctx context.Context, client *rundeploy.Client) error {
		at := client.Project()
		_, err := cloudrun.New(ctx, "demo",
			cloudrun.WithProject(at.ID), cloudrun.WithRegion(at.Region), cloudrun.WithEndpoint(at.Endpoint),
			cloudrun.WithAutoDeploy(rundeploy.Auto(rundeploy.Spec{Settings: rundeploy.Settings{Instances: 50}})))
		fmt.Println(errors.Is(err, shared.ErrNotAgent))
		return nil
	})
	// Output: true
}
