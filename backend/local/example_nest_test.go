package local_test

import (
	"fmt"

	"github.com/lambdapool/lambdapool/backend/local"
)

func ExampleBackend_Nests() {
	b, err := local.New()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer b.Close()
	_, ok := b.Nests()
	fmt.Println(ok) // this program does not import backend/awslambda/nest
	// Output: false
}
