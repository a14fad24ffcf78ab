// Package controlplane is Lambda for those who deploy: the operations that create, change and
// delete functions with their versions, aliases, layers, permissions and event settings, in
// each region that a client names. It unpacks code, keeps what it was told, and gives Invoke
// the function that a request means. Beside it, on the same endpoint, are as much of IAM, STS
// and CloudWatch Logs as that takes.
//
// It may know functions (package service), their environments' description (package
// sandbox), roles (package iam), log groups (package logs), a directory that outlives this
// process (package keep), and how requests are signed and answered (package wire). It must
// never know how invocations run, nor options of package local, nor where requests come
// from: it is given a Config and hands out an http.Handler.
//
//	Lambda              all of it: the account's functions in all regions
//	Config              what one is made of
//	UnknownOperation    the refusal of what is not served, by its name
//
// Inside, operations.go lists the operations and admits requests to them; those of one
// subject are in a file ending in api. resource.go is a function as the control plane knows
// it, settings.go what it is configured to, shapes.go how it is shown, code.go its code, and
// kept.go all of that as it is kept. A region's lock is held by every operation while it
// looks or changes.
package controlplane
