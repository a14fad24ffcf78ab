package progress_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/inproc"
	"github.com/lambdapool/lambdapool/progress"
)

// A program gives os.Stderr: on a terminal it is a bar, elsewhere lines. Both end with a summary.
func ExampleBar() {
	pool, err := lambdapool.New(inproc.New())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer pool.Close()

	var out strings.Builder
	squares, err := lambdapool.Map(context.Background(), pool, square, []int{1, 2, 3}, progress.Bar(&out))
	fmt.Println(squares, err, strings.HasPrefix(out.String(), "progress-square: 3 items"))
	// Output: [1 4 9] <nil> true
}
