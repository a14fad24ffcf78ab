package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/lambdapool/lambdapool/backend/awslambda"
	"github.com/lambdapool/lambdapool/deploy"
	"github.com/lambdapool/lambdapool/internal/smoke/claims"
	"github.com/lambdapool/lambdapool/internal/smoke/work"
)

// The functions' configuration is what the conformance suite wants: it fills three times the memory
// and waits for the timeout. A machine of little memory takes seconds to give it. Plain handlers have more
// time, since their payloads take it on a slow line.
const (
	memory      = 640 // MB
	timeout     = 8 * time.Second
	longTimeout = 30 * time.Second // of plain handlers, whose payloads are large
)

// An account is where the test runs, and what it has made there. The credentials and the region are
// those that the AWS CLI would use.
type account struct {
	name   string // of everything, with what it is behind it
	client *deploy.Client
	lambda *lambda.Client
	s3     *s3.Client
	bucket string

	made []thing
}

// A thing was made, and is removed by undo, which must not mind that it is gone.
type thing struct {
	what string
	undo func(context.Context) error
}

// open finds out who we are, and chooses the name. It makes nothing yet. The report says whether it
// was AWS that answered: against an endpoint of somebody else the claims prove nothing about
// Lambda.
func open(ctx context.Context, r *claims.Report) (*account, error) {
	client, err := deploy.Open(ctx, deploy.Account{})
	if err != nil {
		return nil, err
	}
	if _, err := client.WhoAmI(ctx); err != nil {
		return nil, err
	}
	cfg := client.Config()
	a := &account{
		name: "lambdapool-smoke-" + strings.ToLower(rand.Text()[:10]), client: client, lambda: lambda.NewFromConfig(cfg),
		s3: s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = os.Getenv("AWS_ENDPOINT_URL_S3") != "" }),
	}
	r.Began, r.Region, r.Endpoint = time.Now(), client.Region(), "AWS"
	if os.Getenv("AWS_ENDPOINT_URL") != "" || cfg.BaseEndpoint != nil {
		r.Endpoint = "another endpoint, not AWS"
	}
	return a, nil
}

// remember notes what was made. It is removed even if its making has failed half-way.
func (a *account) remember(what string, undo func(context.Context) error) {
	a.made = append(a.made, thing{what, undo})
}

// cleaning is how long the removal may take, also after an interrupt.
const cleaning = 3 * time.Minute

// removeAll removes what was made, the last first, and returns what is still there.
func (a *account) removeAll(ctx context.Context) (left []string) {
	ctx, cancel := context.WithTimeout(ctx, cleaning)
	defer cancel()
	for _, t := range slices.Backward(a.made) {
		if err := t.undo(ctx); err != nil && !errors.Is(err, deploy.ErrNotFound) {
			left = append(left, t.what)
			fmt.Fprintf(os.Stderr, "smoke: %s is not removed: %v\n", t.what, err)
		}
	}
	return left
}

// agentPackage is what is deployed. It has the functions of the conformance suite as well.
const agentPackage = "github.com/lambdapool/lambdapool/internal/smoke/agent"

// function deploys the agent under a name. One with an environment is no agent, so it gets no smoke
// call.
func (a *account) function(ctx context.Context, name string, limit time.Duration, env map[string]string) error {
	a.remember("function "+name, func(ctx context.Context) error {
		_, err := a.client.Delete(ctx, name, deploy.DeleteOptions{Logs: true})
		return err
	})
	_, err := a.client.Create(ctx, deploy.Spec{
		Name: name, Package: agentPackage, Settings: deploy.Settings{Memory: memory, Timeout: limit, Env: env},
	}, deploy.CreateOptions{NoSmoke: len(env) > 0})
	return err
}

// raw is the function that is a plain handler: what it shows is Lambda's doing alone. broken is one
// that ends before it asks for work.
func (a *account) raw() string    { return a.name + "-raw" }
func (a *account) broken() string { return a.name + "-init" }

// deploy makes the functions and the bucket.
func (a *account) deploy(ctx context.Context) error {
	for _, f := range []struct {
		name  string
		limit time.Duration
		env   map[string]string
	}{
		{a.name, timeout, nil},
		{a.raw(), longTimeout, map[string]string{work.RawVariable: "reply"}},
		{a.broken(), longTimeout, map[string]string{work.RawVariable: "init"}},
	} {
		if err := a.function(ctx, f.name, f.limit, f.env); err != nil {
			return err
		}
	}
	a.bucket = a.name
	a.remember("bucket "+a.bucket, a.emptyBucket)
	in := &s3.CreateBucketInput{Bucket: &a.bucket}
	if region := a.client.Region(); region != "us-east-1" { // where it must not be said
		in.CreateBucketConfiguration = &types.CreateBucketConfiguration{LocationConstraint: types.BucketLocationConstraint(region)}
	}
	if _, err := a.s3.CreateBucket(ctx, in); err != nil {
		a.made = a.made[:len(a.made)-1] // it is not ours
		return fmt.Errorf("create bucket: %w", err)
	}
	return nil
}

// emptyBucket deletes the objects and then the bucket, which S3 deletes only when it is empty.
func (a *account) emptyBucket(ctx context.Context) error {
	pages := s3.NewListObjectsV2Paginator(a.s3, &s3.ListObjectsV2Input{Bucket: &a.bucket})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return err
		}
		var keys []types.ObjectIdentifier
		for _, o := range page.Contents {
			keys = append(keys, types.ObjectIdentifier{Key: o.Key})
		}
		if len(keys) == 0 {
			continue
		}
		if _, err := a.s3.DeleteObjects(ctx, &s3.DeleteObjectsInput{Bucket: &a.bucket, Delete: &types.Delete{Objects: keys, Quiet: aws.Bool(true)}}); err != nil {
			return err
		}
	}
	_, err := a.s3.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: &a.bucket})
	return err
}

// backend opens the function, with the bucket.
func (a *account) backend(ctx context.Context, opts ...awslambda.Option) (*awslambda.Backend, error) {
	return awslambda.New(ctx, a.name, append([]awslambda.Option{
		awslambda.WithFunctionTimeout(timeout), awslambda.WithBucket(a.bucket),
	}, opts...)...)
}
