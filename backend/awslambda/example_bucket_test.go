package awslambda_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lambdapool/lambdapool/backend/awslambda"
)

func ExampleLifecycleRule() {
	rule, err := awslambda.LifecycleRule("team-a", awslambda.KeepRuns(31))
	fmt.Println(rule, err)
	// Output:
	// {
	//   "Rules": [
	//     {
	//       "Expiration": {
	//         "Days": 1
	//       },
	//       "Filter": {
	//         "Prefix": "team-a/calls/"
	//       },
	//       "ID": "lambdapool-calls",
	//       "Status": "Enabled"
	//     },
	//     {
	//       "Expiration": {
	//         "Days": 31
	//       },
	//       "Filter": {
	//         "Prefix": "team-a/runs/"
	//       },
	//       "ID": "lambdapool-runs",
	//       "Status": "Enabled"
	//     },
	//     {
	//       "Expiration": {
	//         "Days": 31
	//       },
	//       "Filter": {
	//         "Prefix": "team-a/index/"
	//       },
	//       "ID": "lambdapool-index",
	//       "Status": "Enabled"
	//     },
	//     {
	//       "Expiration": {
	//         "Days": 31
	//       },
	//       "Filter": {
	//         "Prefix": "team-a/mapreduce/"
	//       },
	//       "ID": "lambdapool-mapreduce",
	//       "Status": "Enabled"
	//     }
	//   ]
	// }
	//  <nil>
}

// A store that takes no forms, such as Cloudflare R2, gets a link for each result.
func ExampleSignEachLink() {
	b, err := awslambda.New(context.Background(), "demo", awslambda.WithRegion("us-east-1"), awslambda.WithStaticCredentials("id", "secret", ""),
		awslambda.WithBucket("payloads", awslambda.BucketEndpoint("https://account.r2.cloudflarestorage.com"), awslambda.SignEachLink()))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer b.Close()
	_, err = b.Store().LinkUnder(context.Background(), "calls/run/", time.Hour)
	fmt.Println(errors.Is(err, errors.ErrUnsupported))
	link, err := b.Store().LinkPut(context.Background(), "calls/run/1.reply", time.Hour)
	fmt.Println(link, err)
	// Output:
	// true
	// https://payloads.account.r2.cloudflarestorage.com/lambdapool/calls/run/1.reply?… <nil>
}
