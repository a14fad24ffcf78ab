package deploy_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/lambdapool/lambdapool/deploy"
)

func ExampleError() {
	onLocal(func(ctx context.Context, client *deploy.Client) error {
		program, err := agent()
		if err != nil {
			return err
		}
		_, err = client.Create(ctx, deploy.Spec{Name: "demo", Artifact: program}, deploy.CreateOptions{}) // it is there already
		var e *deploy.Error
		if errors.As(err, &e) && errors.Is(err, deploy.ErrExists) {
			fmt.Println("could not", e.Op, e.Name)
			fmt.Println("way out:", e.Hint)
			fmt.Println("left behind:", len(e.Left))
		}
		return nil
	})
	// Output:
	// could not create demo
	// way out: lambdapool update demo brings it up to date
	// left behind: 0
}

func ExampleClient_Update_dryRun() {
	onLocal(func(ctx context.Context, client *deploy.Client) error {
		memory := deploy.Spec{Name: "demo", Settings: deploy.Settings{Memory: 512}}
		updated, err := client.Update(ctx, memory, deploy.UpdateOptions{DryRun: true})
		if err != nil {
			return err
		}
		fmt.Println("would change:", updated.Plan)
		fmt.Println("has", updated.Function.Memory, "MB")
		return nil
	})
	// Output:
	// would change: [memory 1769 → 512 MB]
	// has 1769 MB
}
