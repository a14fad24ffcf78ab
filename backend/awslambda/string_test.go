package awslambda_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/lambdapool/lambdapool/backend/awslambda"
)

// A program may print its variables at any time, also while New's look-ups go on.
func TestBackendIsPrinted(t *testing.T) {
	for name, want := range map[string]string{"algorithms": "Lambda function algorithms", "algorithms:live": "Lambda function algorithms:live"} {
		b, err := awslambda.New(t.Context(), name, awslambda.WithRegion("eu-central-1"),
			awslambda.WithEndpoint("http://127.0.0.1:1"), awslambda.WithStaticCredentials("AKIDEXAMPLE", "secret", ""))
		if err != nil {
			t.Fatal(err)
		}
		for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
			if got := fmt.Sprintf(verb, b); got != want || strings.Contains(got, "secret") {
				t.Errorf("%s prints %s, want %s", verb, got, want)
			}
		}
		b.Close()
	}
}

func ExampleBackend_String() {
	b, err := awslambda.New(context.Background(), "algorithms:live", awslambda.WithRegion("eu-central-1"),
		awslambda.WithStaticCredentials("AKIDEXAMPLE", "secret", ""), awslambda.WithShards(1))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer b.Close()
	fmt.Println(b)
	// Output: Lambda function algorithms:live
}
