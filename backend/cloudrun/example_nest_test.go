package cloudrun_test

import (
	"context"
	"fmt"

	"github.com/lambdapool/lambdapool/backend/cloudrun"
)

func ExampleBackend_Nests() {
	google, done := exampleCredentials()
	defer done()
	b, err := cloudrun.New(context.Background(), "demo", cloudrun.WithEndpoint(google.URL()), cloudrun.WithURL("https://demo-1.europe-west1.run.app"))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer b.Close()
	_, ok := b.Nests()
	fmt.Println(ok) // this program does not import backend/cloudrun/nest
	// Output: false
}
