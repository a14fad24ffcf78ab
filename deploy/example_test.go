package deploy_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/lambdapool/lambdapool/backend/awslambda"
	"github.com/lambdapool/lambdapool/backend/local"
	"github.com/lambdapool/lambdapool/deploy"
)

// onLocal runs an example on an embedded Lambda, with the function demo, whose agent
// is examples/algorithms.
func onLocal(example func(ctx context.Context, client *deploy.Client) error, opts ...deploy.Option) {
	err := func() (err error) {
		server, err := local.NewServer()
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, server.Close()) }()
		id, secret := server.Credentials()
		transport := &http.Transport{}
		defer transport.CloseIdleConnections()
		client, err := deploy.New(aws.Config{
			Region: "us-east-1", BaseEndpoint: aws.String(server.Endpoint()), HTTPClient: doer(transport.RoundTrip),
			Credentials: credentials.NewStaticCredentialsProvider(id, secret, ""),
		}, opts...)
		if err != nil {
			return err
		}
		program, err := agent()
		if err != nil {
			return err
		}
		if _, err := client.Create(context.Background(), deploy.Spec{Name: "demo", Artifact: program}, deploy.CreateOptions{}); err != nil {
			return err
		}
		return example(context.Background(), client)
	}()
	if err != nil {
		fmt.Println(err)
	}
}

func ExampleClient_Create() {
	onLocal(func(ctx context.Context, client *deploy.Client) error {
		program, err := agent() // or leave Artifact out, and name the Package to build
		if err != nil {
			return err
		}
		created, err := client.Create(ctx, deploy.Spec{
			Name: "small", Artifact: program, Settings: deploy.Settings{Memory: 256, Timeout: 30 * time.Second},
		}, deploy.CreateOptions{})
		if err != nil {
			return err
		}
		for _, f := range created.Registry.Functions {
			fmt.Println(f.Name, f.Shape)
		}
		return nil
	})
	// Output:
	// factorial func(int) int
	// fibonacci func(int) int
}

func ExampleClient_Update() {
	onLocal(func(ctx context.Context, client *deploy.Client) error {
		updated, err := client.Update(ctx, deploy.Spec{Name: "demo", Settings: deploy.Settings{Memory: 256}},
			deploy.UpdateOptions{Publish: true, Alias: "live"})
		if err != nil {
			return err
		}
		for _, change := range updated.Plan {
			fmt.Println(change)
		}
		return nil
	})
	// Output:
	// memory 1769 → 256 MB
	// version 1
	// alias live → version 1
}

func ExampleClient_Call() {
	onLocal(func(ctx context.Context, client *deploy.Client) error {
		r, err := client.Call(ctx, "demo", deploy.Call{Function: "fibonacci", Args: []string{"30"}})
		if err != nil {
			return err
		}
		fmt.Println(string(r.Value))
		return nil
	})
	// Output: 832040
}

func ExampleClient_List() {
	onLocal(func(ctx context.Context, client *deploy.Client) error {
		for f, err := range client.List(ctx) {
			if err != nil {
				return err
			}
			fmt.Println(f.Name, f.Memory, "MB")
		}
		return nil
	})
	// Output: demo 1769 MB
}

func ExampleClient_Show() {
	onLocal(func(ctx context.Context, client *deploy.Client) error {
		s, err := client.Show(ctx, "demo")
		if err != nil {
			return err
		}
		fmt.Println(s.Function.State, s.Function.Timeout, "s,", len(s.Registry.Functions), "functions")
		return nil
	})
	// Output: Active 300 s, 2 functions
}

func ExampleClient_Function() {
	onLocal(func(ctx context.Context, client *deploy.Client) error {
		if _, err := client.Update(ctx, deploy.Spec{Name: "demo"}, deploy.UpdateOptions{Publish: true, Alias: "live"}); err != nil {
			return err
		}
		if _, err := client.Update(ctx, deploy.Spec{Name: "demo", Settings: deploy.Settings{Memory: 256}}, deploy.UpdateOptions{}); err != nil {
			return err
		}
		for _, qualifier := range []string{"live", ""} {
			f, err := client.Function(ctx, "demo", qualifier)
			if err != nil {
				return err
			}
			fmt.Println(f.Version, f.Memory, "MB")
		}
		return nil
	})
	// Output:
	// 1 1769 MB
	// $LATEST 256 MB
}

func ExampleClient_Describe() {
	onLocal(func(ctx context.Context, client *deploy.Client) error {
		r, err := client.Describe(ctx, "demo", "")
		if err != nil {
			return err
		}
		fmt.Println(r.Version, r.Functions[1].Name)
		return nil
	})
	// Output: $LATEST fibonacci
}

func ExampleClient_Delete() {
	onLocal(func(ctx context.Context, client *deploy.Client) error {
		deleted, err := client.Delete(ctx, "demo", deploy.DeleteOptions{})
		if err != nil {
			return err
		}
		fmt.Println(deleted)
		return nil
	})
	// Output: [function demo role lambdapool-demo]
}

func ExampleClient_Logs() {
	onLocal(func(ctx context.Context, client *deploy.Client) error {
		for line, err := range client.Logs(ctx, "demo", deploy.LogQuery{Since: time.Hour, Filter: "REPORT"}) {
			if err != nil {
				return err
			}
			fmt.Println(line.Text[:6])
		}
		return nil
	})
	// Output: REPORT
}

func ExampleClient_Doctor() {
	onLocal(func(ctx context.Context, client *deploy.Client) error {
		findings, err := client.Doctor(ctx, "demo", deploy.DoctorOptions{Workers: 900})
		if err != nil {
			return err
		}
		for _, f := range findings {
			if f.Level == deploy.Warning {
				fmt.Println(f.Text)
			}
		}
		return nil
	})
	// Output: 1000 in the account, 1000 unreserved: a run of 900 workers leaves 100 to all other functions
}

func ExampleClient_GrantClient() {
	onLocal(func(ctx context.Context, client *deploy.Client) error {
		id, err := client.WhoAmI(ctx)
		if err != nil {
			return err
		}
		fmt.Println(id.Account, client.Region())
		in, err := client.PolicyInput(ctx, deploy.PolicyInput{Function: "demo"})
		if err != nil {
			return err
		}
		fmt.Println(client.GrantAgent(ctx, "demo"))
		return client.GrantClient(ctx, in, deploy.Principal{Role: deploy.RoleName("demo")})
	})
	// Output:
	// 000000000000 us-east-1
	// <nil>
}

// The function's role may invoke the function from now on, and then no longer.
func ExampleClient_GrantNested() {
	onLocal(func(ctx context.Context, client *deploy.Client) error {
		fmt.Println(client.GrantNested(ctx, "demo", true))
		return client.GrantNested(ctx, "demo", false)
	})
	// Output: <nil>
}

func ExampleClient_Layers() {
	onLocal(func(ctx context.Context, client *deploy.Client) error {
		layers, err := client.Layers(ctx)
		fmt.Println(len(layers))
		return err
	})
	// Output: 0
}

func ExampleAuto() {
	onLocal(func(ctx context.Context, client *deploy.Client) error {
		program, err := agent() // a client that is its own agent leaves it out
		if err != nil {
			return err
		}
		b, err := awslambda.New(ctx, "mine", awslambda.WithConfig(client.Config()),
			awslambda.WithAutoDeploy(deploy.Auto(deploy.Spec{Artifact: program})))
		if err != nil {
			return err
		}
		r, err := deploy.Ask(ctx, b)
		if err == nil {
			fmt.Println("version", r.Version)
		}
		return errors.Join(err, b.Close())
	})
	// Output: version 1
}

func ExampleWithProgress() {
	onLocal(func(context.Context, *deploy.Client) error { return nil },
		deploy.WithProgress(func(e deploy.Event) { fmt.Println(e.Step, e.Text) }),
		deploy.WithPoll(time.Millisecond))
	// Output:
	// role make lambdapool-demo
	// create function demo
	// smoke call demo
}

func ExampleOpen() {
	client, err := deploy.Open(context.Background(), deploy.Account{Endpoint: "somewhere"})
	fmt.Println(client == nil, errors.Is(err, deploy.ErrInvalid))
	// Output: true true
}

func ExampleSpec_Check() {
	s := deploy.Spec{Name: "demo", Settings: deploy.Settings{Memory: 64}}
	fmt.Println(s.Check())
	// Output: lambdapool: memory 64 MB: Lambda allows 128 to 10240 MB
}

func ExampleBuild() {
	a, err := deploy.Build(context.Background(), "..", "./examples/algorithms", deploy.X8664)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(a.Package, a.Size < 10_000_000)
	// Output: github.com/lambdapool/lambdapool/examples/algorithms true
}

func ExampleBuildHere() {
	fmt.Println(deploy.BuildHere(context.Background(), "..", "./codec", filepath.Join(os.TempDir(), "no-agent")))
	// Output: lambdapool: build ./codec: not a lambdapool agent: package github.com/lambdapool/lambdapool/codec is codec, not main (name a main package whose first line is agent.Main())
}

func ExamplePack() {
	a, err := deploy.Pack([]byte("program"), deploy.ARM64)
	fmt.Println(a.Size, len(a.Sum), err)
	zip, err := deploy.Zip([]byte("program"))
	fmt.Println(len(zip) == len(a.Zip), err)
	// Output:
	// 7 44 <nil>
	// true <nil>
}

func ExampleEstimates() {
	sample := deploy.Sample{Run: time.Second, CPU: 200 * time.Millisecond, Memory: 1769}
	for _, e := range deploy.Estimates([]deploy.Sample{sample}, 1_000_000, deploy.ARM64, 256, 512) {
		fmt.Printf("%d MB: %v, $%.2f, cheapest %t\n", e.Memory, e.Run.Round(time.Millisecond), e.USD, e.Cheapest)
	}
	// Output:
	// 256 MB: 2.182s, $7.48, cheapest true
	// 512 MB: 1.491s, $10.15, cheapest false
	// 1769 MB: 1s, $23.23, cheapest false
}

func ExampleRoleName() {
	fmt.Println(deploy.RoleName("demo"), deploy.Version() != "", len(deploy.LogRetentions()))
	// Output: lambdapool-demo true 22
}
