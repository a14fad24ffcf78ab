package cloudrun_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/lambdapool/lambdapool/backend/cloudrun"
	"github.com/lambdapool/lambdapool/backend/inproc"
	"github.com/lambdapool/lambdapool/internal/runlocal"

	"github.com/lambdapool/lambdapool"
)

// exampleCredentials has the program's credentials be the key of an account of a Cloud Run on this machine.
func exampleCredentials() (google *runlocal.Server, done func()) {
	google, err := runlocal.New(runlocal.Options{})
	if err != nil {
		panic(err)
	}
	key, err := google.KeyFile("client@local-project.iam.gserviceaccount.com")
	if err != nil {
		panic(err)
	}
	file, err := os.CreateTemp("", "key")
	if err != nil {
		panic(err)
	}
	_, _ = file.Write(key)
	_ = file.Close()
	os.Setenv("GOOGLE_APPLICATION_CREDENTIALS", file.Name())
	return google, func() {
		os.Unsetenv("GOOGLE_APPLICATION_CREDENTIALS")
		os.Remove(file.Name())
		_ = google.Close()
	}
}

// A service that is not there shows when it is looked up.
func ExampleNew() {
	google, done := exampleCredentials()
	defer done()
	google.Grant("roles/run.viewer", "client@local-project.iam.gserviceaccount.com", "")

	_, err := cloudrun.New(context.Background(), "algorithms",
		cloudrun.WithProject("local-project"),
		cloudrun.WithRegion("europe-west1"),
		cloudrun.WithEndpoint(google.URL()), // Google's own, without this
	)
	fmt.Println(errors.Is(err, lambdapool.ErrFunctionNotFound))
	// Output: true
}

// Who may only invoke says all that would be looked up.
func ExampleWithURL() {
	_, done := exampleCredentials()
	defer done()

	b, err := cloudrun.New(context.Background(), "algorithms",
		cloudrun.WithURL("https://agents.example.com"),                             // behind a load balancer
		cloudrun.WithAudience("https://algorithms-123456789.europe-west1.run.app"), // whom tokens are for all the same
		cloudrun.WithServiceAccount("invoker@my-project.iam.gserviceaccount.com"),  // whose tokens, where the credentials are a person's
		cloudrun.WithWorkers(20),
		cloudrun.WithTimeout(10*time.Minute),
		cloudrun.WithStore(inproc.New().Store()), // here one that only this process reaches
		cloudrun.WithHTTPTransport(func(t *http.Transport) { t.Proxy = nil }),
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	limits := b.Limits()
	fmt.Println(limits.Workers, limits.Timeout, limits.Granularity, b.Store() != nil, b.StoreOption())
	fmt.Println(b.Close(), b.Close())
	// Output:
	// 20 10m0s 100ms true cloudrun.WithBucket
	// <nil> <nil>
}

// What is too large for a request travels through a bucket.
func ExampleWithBucket() {
	_, done := exampleCredentials()
	defer done()

	b, err := cloudrun.New(context.Background(), "algorithms",
		cloudrun.WithURL("https://algorithms-123456789.europe-west1.run.app"),
		cloudrun.WithBucket("my-payloads",
			cloudrun.Prefix("team-a/lambdapool"),
			cloudrun.Threshold(8<<20),
			cloudrun.BucketEndpoint("https://storage-private.p.googleapis.com"), // of Private Service Connect
		),
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer b.Close()
	fmt.Println(b.Store().Threshold())
	// Output: 8388608
}

func ExampleLifecycleRule() {
	rule, err := cloudrun.LifecycleRule("", cloudrun.KeepRuns(30))
	fmt.Println(rule, err)
	// Output:
	// {
	//   "lifecycle": {
	//     "rule": [
	//       {
	//         "action": {
	//           "type": "Delete"
	//         },
	//         "condition": {
	//           "age": 1,
	//           "matchesPrefix": [
	//             "lambdapool/calls/"
	//           ]
	//         }
	//       },
	//       {
	//         "action": {
	//           "type": "Delete"
	//         },
	//         "condition": {
	//           "age": 30,
	//           "matchesPrefix": [
	//             "lambdapool/runs/",
	//             "lambdapool/index/",
	//             "lambdapool/mapreduce/"
	//           ]
	//         }
	//       }
	//     ]
	//   }
	// }
	//  <nil>
}

// Detached runs go through a queue, and their results into a bucket.
func ExampleWithQueue() {
	_, done := exampleCredentials()
	defer done()

	b, err := cloudrun.New(context.Background(), "algorithms",
		cloudrun.WithURL("https://algorithms-123456789.europe-west1.run.app"),
		cloudrun.WithBucket("my-payloads"),
		cloudrun.WithQueue("projects/my-project/locations/europe-west1/queues/lambdapool"),
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer b.Close()
	fmt.Println(b.EventLimits().Age, b.CanDetach())
	// Output: 6h0m0s <nil>
}

// Executors queue what nobody waits for. What has no room in a task is refused before it is sent: it goes through the bucket.
func ExampleBackend_InvokeEvent() {
	_, done := exampleCredentials()
	defer done()

	b, err := cloudrun.New(context.Background(), "algorithms",
		cloudrun.WithURL("https://algorithms-123456789.europe-west1.run.app"),
		cloudrun.WithBucket("my-payloads"),
		cloudrun.WithQueue("projects/my-project/locations/europe-west1/queues/lambdapool"),
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer b.Close()
	_, err = b.InvokeEvent(context.Background(), &lambdapool.Request{Payload: make([]byte, b.EventLimits().Request+1)})
	fmt.Println(errors.Is(err, lambdapool.ErrTooLarge))
	// Output: true
}

// Package deploy/rundeploy has a deployer that brings the service to the code of the running program:
// rundeploy.Auto(rundeploy.Spec{}). This one finds no build to deploy.
func ExampleWithAutoDeploy() {
	_, done := exampleCredentials()
	defer done()

	deployer := func(_ context.Context, at cloudrun.Target) (string, error) {
		fmt.Println("deploy", at.Service, "in", at.Region)
		return "", errors.New("nothing is built")
	}
	_, err := cloudrun.New(context.Background(), "algorithms",
		cloudrun.WithProject("my-project"), cloudrun.WithRegion("europe-west1"), cloudrun.WithAutoDeploy(deployer))
	fmt.Println(err)
	// Output:
	// deploy algorithms in europe-west1
	// lambdapool: open Cloud Run service algorithms: WithAutoDeploy: nothing is built
}

// A tag leads to one revision, whatever is deployed later.
func ExampleWithTag() {
	google, done := exampleCredentials()
	defer done()
	google.Grant("roles/run.viewer", "client@local-project.iam.gserviceaccount.com", "")

	_, err := cloudrun.New(context.Background(), "algorithms",
		cloudrun.WithProject("local-project"), cloudrun.WithRegion("europe-west1"), cloudrun.WithEndpoint(google.URL()),
		cloudrun.WithTag("live"))
	fmt.Println(errors.Is(err, lambdapool.ErrFunctionNotFound)) // nothing is deployed here
	// Output: true
}
