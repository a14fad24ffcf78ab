// Algorithms is an agent with two functions, fibonacci and factorial, and at
// the same time a client that calls them:
//
//	go run ./examples/algorithms         # both, on goroutines of this process
//	go run ./examples/algorithms 10 25   # of these numbers
//
// It shows the least a program needs: functions in a package of their own,
// agent.Main in the first line of main, an executor on some backend. The one
// here is inproc; a program that also imports backend/local or
// backend/awslambda links the AWS SDK, which an agent does better without.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/agent"
	"github.com/lambdapool/lambdapool/backend/inproc"
	"github.com/lambdapool/lambdapool/examples/algorithms/numbers"
)

func main() {
	agent.Main() // when this process is an agent, it serves here and never returns

	ns := []int{0, 1, 5, 10, 20}
	if len(os.Args) > 1 {
		ns = ns[:0]
		for _, arg := range os.Args[1:] {
			n, err := strconv.Atoi(arg)
			if err != nil {
				fmt.Fprintf(os.Stderr, "algorithms: %q is not a number\nusage: algorithms [NUMBER…]\n", arg)
				os.Exit(2)
			}
			ns = append(ns, n)
		}
	}
	if err := run(context.Background(), os.Stdout, ns); err != nil {
		fmt.Fprintln(os.Stderr, "algorithms:", err)
		os.Exit(1)
	}
}

// run prints fibonacci and factorial of each number.
func run(ctx context.Context, w io.Writer, ns []int) (err error) {
	backend := inproc.New()
	defer func() { err = errors.Join(err, backend.Close()) }()
	executor, err := lambdapool.New(backend)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, executor.Close()) }()

	// Map takes the handle that Register returned: types are checked by the compiler, and results
	// come in the order of the arguments.
	fibs, err := lambdapool.Map(ctx, executor, numbers.Fib, ns)
	if err != nil {
		return err
	}
	for i, n := range ns {
		fmt.Fprintf(w, "fibonacci(%d) = %d\n", n, fibs[i])
	}

	// The same one by one, and by name: as a client would that has no handle.
	futures := make([]*lambdapool.Future[any], len(ns))
	for i, n := range ns {
		futures[i] = executor.Submit(ctx, "factorial", n)
	}
	for i, n := range ns {
		// Result waits. The sentinel was registered, so errors.Is finds it although the function
		// ran elsewhere.
		result, err := futures[i].Result(ctx)
		switch {
		case errors.Is(err, numbers.ErrOverflow):
			fmt.Fprintf(w, "factorial(%d) is too large\n", n)
		case err != nil:
			return err
		default:
			fmt.Fprintf(w, "factorial(%d) = %d\n", n, result)
		}
	}
	return nil
}
