// Package deploy brings agents to AWS Lambda and looks after them: it builds and
// zips them, creates, updates, lists and deletes the functions they run in, reads
// their logs and calls what they register. The lambdapool command is a thin layer
// over it.
//
//	client, err := deploy.Open(ctx, deploy.Account{Region: "eu-central-1"})
//	…
//	created, err := client.Create(ctx, deploy.Spec{Name: "demo", Package: "./cmd/demo"})
//
// Nothing is sent before all values have been checked against Lambda's limits.
// What [Client.Create] makes it takes back when it is interrupted or something goes
// wrong; what it could not take back is in the error, with the command that does.
//
// A function is recognised as made by lambdapool by its tag [Tag], and, where a list
// shows no tags, by the variable [Marker] in its environment. Others are never changed.
package deploy
