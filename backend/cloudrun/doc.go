// Package cloudrun is the backend for Google Cloud Run: services that run a lambdapool agent in their
// container. One Invoke is one attempt, and every way in which an attempt can end says whether the
// function ran.
//
//	b, err := cloudrun.New(ctx, "algorithms", cloudrun.WithProject("my-project"), cloudrun.WithRegion("europe-west1"))
//	if err != nil { … }
//	defer b.Close()
//	e, err := lambdapool.New(b)
//
// Use it in the program that sends the work. The agent in the container does not need it. Package backend
// opens it by URL, cloudrun://algorithms?project=my-project&region=europe-west1, where a flag is to
// decide. For other platforms that run containers there is package httpagent, which this package builds
// on: how requests travel, and what answers mean, is said there.
//
// # Credentials
//
// They are Google's application default credentials: the file that GOOGLE_APPLICATION_CREDENTIALS names,
// what `gcloud auth application-default login` has left, or the metadata server on a machine of
// Google's.
//
// Cloud Run asks for an ID token that was made for the service. A service account can mint one: by its
// key, on the metadata server, or by impersonation. A person cannot, and `gcloud auth
// application-default login` makes credentials of a person. Name a service account with
// [WithServiceAccount], and let the person use it:
//
//	gcloud iam service-accounts add-iam-policy-binding EMAIL \
//	    --member=user:YOU --role=roles/iam.serviceAccountTokenCreator
//
// Tokens are kept, and renewed in the background five minutes before they end.
//
// # Rights
//
// The account whose token it is needs roles/run.invoker on the service. Who opens the backend needs
// roles/run.viewer, to look up the service's URL, timeout, concurrency and number of instances. With
// [WithURL] nothing is looked up, and roles/run.invoker is all.
//
// [WithBucket] says what a bucket needs, [WithQueue] what a queue does.
//
// # The service
//
// Its container is a program that calls agent.Main, with LAMBDAPOOL_AGENT=http and
// LAMBDAPOOL_AUTH=platform: Cloud Run checks who calls. The service must not allow unauthenticated
// calls. LAMBDAPOOL_TIMEOUT should be the service's timeout, less what a start takes;
// LAMBDAPOOL_CONCURRENCY the requests that an instance takes at once, LAMBDAPOOL_CPU and
// LAMBDAPOOL_MEMORY what it has. No instance is told any of that.
//
// # How load grows
//
// Google publishes no law of growth. So an executor begins with as many requests as all instances can
// take, and slows down when Cloud Run refuses some. A request waits for an instance for about ten
// seconds before it is refused: such a throttle is known late. Hedging and chunks therefore follow the agents' own
// time, not that of the round trip.
//
// Cloud Run charges 100 ms for what is shorter. The executor fills invocations accordingly.
//
// # What cannot be known
//
// A crash, a container that ran out of memory, and one that did not start are the same answer, a bare
// 503: an unknown outcome, so that only idempotent functions are run again. The hint of the error has a
// link to the log of the request. Where the credentials may read it (roles/logging.viewer on the project, the API
// logging.googleapis.com), the log is asked: then the hint has Cloud Run's own words, and LogTail what the
// instance has printed. After a timeout (504) the container lives, and the function may run
// on beside the next request; the agent ends functions at LAMBDAPOOL_TIMEOUT for that reason.
//
// This package knows httpagent, driver and the libraries of Google that mint tokens. Executors, agents and
// the embedded Cloud Run of the tests must never enter it.
package cloudrun
