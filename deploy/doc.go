// Package deploy brings agents to AWS Lambda and looks after them. It builds and zips them. It
// creates, updates, lists and deletes the functions that they run in, reads their logs and
// calls what they register. The lambdapool command is a thin layer over it.
//
//	client, err := deploy.Open(ctx, deploy.Account{Region: "eu-central-1"})
//	…
//	created, err := client.Create(ctx, deploy.Spec{Name: "demo", Package: "./cmd/demo"})
//
// # When to use it
//
// Use it where a program must deploy, for example in a release job or a test. From a shell the
// command does the same. A program that is client and agent at once does not need either: see
// [Auto]. A program that only sends work needs package awslambda and not this one, which links
// the clients of IAM and CloudWatch Logs.
//
// It may know awslambda, which calls what it has deployed, and the SDK's clients. Nothing that an
// agent links may import it, and the command line adds no knowledge of AWS to it: what is true of a
// function is said here, once.
//
// # What is changed, and when
//
// All values are checked against Lambda's limits before anything is sent. [Spec.Check] makes
// the same check alone. DryRun in the options of a command returns the plan and changes
// nothing.
//
// [Client.Create] takes back what it made when it is interrupted or fails. What it could not
// take back is in the error, with the command that removes it: see [Leftover]. [Client.Update]
// takes nothing back. It says in the error what it had done.
//
// The requests that make a function, a role or a log group, that change code or configuration,
// and that publish, are not interrupted when ctx ends. Nobody could tell whether such a request
// still arrives. Each has two minutes. So a method may return up to two minutes after the end
// of its ctx, and an interrupted Create needs up to 30 seconds more to remove what it made.
//
// # Whose functions
//
// A function is recognised as made by lambdapool by its tag [Tag]. Where a list shows no tags,
// it is recognised by the variable [Marker] in its environment. Other functions are never
// changed: the error matches [ErrForeign].
//
// # Errors
//
// Most errors are an [*Error] that wraps one of the sentinels of this package, so errors.Is
// tells what happened. Where an agent was called, the error matches the sentinels of package
// lambdapool, too. When ctx ended, it matches the cause of that.
package deploy
