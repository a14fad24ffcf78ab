package awslambda_test

import (
	"context"
	"fmt"

	"github.com/lambdapool/lambdapool/backend/awslambda"
)

func ExampleBackend_Nests() {
	b, err := awslambda.New(context.Background(), "demo", awslambda.WithRegion("eu-central-1"), awslambda.WithStaticCredentials("AKIDEXAMPLE", "secret", ""))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer b.Close()
	_, ok := b.Nests()
	fmt.Println(ok) // this program does not import backend/awslambda/nest
	// Output: false
}
