package price_test

import (
	"fmt"
	"time"

	"github.com/lambdapool/lambdapool/price"
)

// What 10,000 invocations of a second cost, each with 1,769 MB.
func ExampleCost() {
	gbSeconds := 10_000 * price.GBSeconds(1769<<20, time.Second)
	fmt.Println(price.Format(price.Cost(gbSeconds, 10_000, price.ARM)))
	// Output: $0.232
}

// Half a GB for two seconds is one GB-second.
func ExampleGBSeconds() {
	fmt.Println(price.GBSeconds(512<<20, 2*time.Second))
	// Output: 1
}
