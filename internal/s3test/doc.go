// Package s3test runs package awslambda's object store against versitygw, which
// speaks S3 and checks signatures. It is a module of its own, so that what
// versitygw depends on stays out of the project's:
//
//	go -C internal/s3test test ./...
package s3test
