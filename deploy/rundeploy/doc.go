// Package rundeploy brings agents to Google Cloud Run and looks after them, as package deploy does on
// AWS Lambda. It builds them, makes container images of them, and pushes those to Artifact Registry.
// It creates, updates, lists and deletes the services that they run in, reads their logs and calls
// what they register. Neither Docker nor Cloud Build nor gcloud is needed. The lambdapool command
// is a thin layer over it.
//
//	client, err := rundeploy.Open(ctx, rundeploy.Project{ID: "my-project", Region: "europe-west1"})
//	…
//	defer client.Close()
//	created, err := client.Create(ctx, rundeploy.Spec{Name: "demo", Package: "./cmd/demo"}, rundeploy.CreateOptions{})
//
// # When to use it
//
// Use it where a program must deploy, for example in a release job or a test. From a shell the command
// does the same. A program that only sends work needs backend/cloudrun and not this one, which links
// the libraries for images. It links nothing of AWS.
//
// # The image
//
// It has one layer: the agent, the certificates of authorities, and a directory for temporary files. There is
// nothing else in it: no shell, and no time zones (import time/tzdata for those). It runs as user 65532. The same
// source gives the same image, with the same digest, on every machine, so what is there already is not sent again.
// Services name it by its digest.
//
// With [Settings].SourceBucket there is no image. An archive with the agent alone is created in a bucket of Cloud
// Storage, and Google's base image, which it keeps patched, is below: it brings the certificates. Nothing is built. Google
// calls this a beta.
//
// # Who calls
//
// Cloud Run lets nobody in by default. Who calls a service needs roles/run.invoker on it, and an ID token,
// which a person's credentials cannot mint: see package backend/cloudrun. The calls that this package makes itself,
// such as the one at the end of a deployment, are as [Project].CallAs.
//
// # What is changed, and when
//
// All values are checked against Cloud Run's limits before anything is sent. [Spec.Check] makes the same check alone.
// DryRun in the options of a command returns the plan, lets Cloud Run check it, and changes nothing.
//
// [Client.Create] deletes the service that it made when it is interrupted or fails. The repository and
// the image, or the archive, stay: others may use them. [Client.Update] takes nothing back.
//
// Requests that change something are not interrupted when ctx ends: each has two minutes.
//
// # Whose services
//
// A service is recognised as made by lambdapool by its label [Label]. Others are never changed: the error matches
// shared.ErrForeign.
//
// # Errors
//
// Most errors are a *shared.Error that wraps one of the sentinels of package deploy/shared. Where an agent was
// called, the error matches the sentinels of package lambdapool, too. When ctx ended, it matches the cause of that.
package rundeploy
