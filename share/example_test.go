package share_test

import (
	"context"
	"fmt"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/inproc"
	"github.com/lambdapool/lambdapool/share"
)

// A lookup asks for a word of a dictionary that is too large to be sent along with each.
type lookup struct {
	Dictionary share.Value[map[string]string]
	Word       string
}

var translate = lambdapool.Register("share-example-translate", func(ctx context.Context, l lookup) (string, error) {
	dictionary, err := l.Dictionary.Get(ctx)
	if err != nil {
		return "", err
	}
	return dictionary[l.Word], nil
}, lambdapool.Idempotent())

func Example() {
	ctx := context.Background()
	b := inproc.New()
	defer b.Close()
	pool, err := lambdapool.New(b)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer pool.Close()

	dictionary, err := share.Put(ctx, pool, map[string]string{"house": "Haus", "tree": "Baum"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer share.Delete(ctx, pool, dictionary)
	words, err := lambdapool.Map(ctx, pool, translate, []lookup{{dictionary, "tree"}, {dictionary, "house"}})
	fmt.Println(words, err)
	// Output: [Baum Haus] <nil>
}

func ExamplePut() {
	ctx := context.Background()
	pool, err := lambdapool.New(inproc.New(), lambdapool.WithOwnedBackend())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer pool.Close()
	// Equal values are one object, so a program that is started again stores nothing.
	one, err := share.Put(ctx, pool, []float64{1, 2, 3})
	fmt.Println(err)
	two, err := share.Put(ctx, pool, []float64{1, 2, 3})
	fmt.Println(one.Where.Name == two.Where.Name, err)
	// Output:
	// <nil>
	// true <nil>
}

func ExampleDelete() {
	ctx := context.Background()
	pool, err := lambdapool.New(inproc.New(), lambdapool.WithOwnedBackend())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer pool.Close()
	v, err := share.Put(ctx, pool, "a value")
	fmt.Println(err)
	fmt.Println(share.Delete(ctx, pool, v))
	// Output:
	// <nil>
	// <nil>
}
