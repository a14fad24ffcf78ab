package main

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/pflag"

	"github.com/lambdapool/lambdapool/deploy/rundeploy"
	"github.com/lambdapool/lambdapool/internal/googlelocal"
	"github.com/lambdapool/lambdapool/internal/legible"
	"github.com/lambdapool/lambdapool/internal/runlocal"
	"github.com/lambdapool/lambdapool/internal/tempdir"
)

// What --cloud takes.
const (
	cloudAWS    = "aws"
	cloudGoogle = "google"
)

// The project and the region of `lambdapool local --cloud google`. The region is another one with --region.
const (
	googleProject = "local-project"
	googleRegion  = "europe-west1"
)

// developer is the account that the credentials are of.
const developer = "developer@" + googleProject + ".iam.gserviceaccount.com"

// checkCloud refuses flags that mean nothing to Google's cloud.
func checkCloud(flags *pflag.FlagSet, cloud string) error {
	switch cloud {
	case cloudAWS:
		return nil
	case cloudGoogle:
	default:
		return usage("cloud %q: must be %s or %s", cloud, cloudAWS, cloudGoogle)
	}
	for _, name := range []string{"address", "event-retries", "update-time", "freeze", "data", "s3-address"} {
		if flags.Changed(name) {
			return usage("%s means nothing with --cloud %s", name, cloudGoogle)
		}
	}
	return nil
}

// runGoogle starts Google Cloud, with one account that may do everything that lambdapool needs.
func (a *app) runGoogle(ctx context.Context, f *localFlags, args []string) (err error) {
	temporary, err := tempdir.Make("lambdapool-google-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, temporary.Remove()) }()
	dir := temporary.Path
	options := googlelocal.Options{
		Run: runlocal.Options{Project: googleProject, Region: or(a.account.Region, googleRegion), Instances: f.concurrency},
		Dir: filepath.Join(dir, "objects"), Bucket: f.store.bucket, Account: developer,
	}
	if !a.quiet {
		options.Run.Output = legible.Marking(a.stderr, "[agent] ")
	}
	cloud, err := googlelocal.New(options)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, cloud.Close()) }()
	for _, role := range []string{
		"roles/run.admin", "roles/run.invoker", "roles/artifactregistry.admin", "roles/storage.objectUser", "roles/cloudtasks.enqueuer",
		"roles/iam.serviceAccountUser", "roles/iam.serviceAccountTokenCreator", "roles/logging.viewer",
	} {
		cloud.Grant(role, developer, "") // in the whole project
	}
	key := filepath.Join(dir, "credentials.json")
	if err := os.WriteFile(key, cloud.Key(), 0o600); err != nil {
		return err
	}
	variables := cloud.Environment()
	variables["GOOGLE_APPLICATION_CREDENTIALS"] = key
	variables[bucketVariable] = f.store.bucket
	variables["LAMBDAPOOL_QUEUE"] = cloud.Queue()
	variables[rundeploy.RegistryVariable] = cloud.Registry()
	variables[onVariable] = onCloudRun
	s := surroundings{
		// Each would have another project, other rights or other credentials be used.
		unset:  []string{"GOOGLE_CLOUD_QUOTA_PROJECT", "GOOGLE_API_USE_CLIENT_CERTIFICATE", "CLOUDSDK_AUTH_IMPERSONATE_SERVICE_ACCOUNT"},
		bucket: f.store.bucket, queue: cloud.Queue(), url: "cloudrun://NAME?bucket=" + f.store.bucket + "&queue=" + googlelocal.Queue,
	}
	for _, name := range slices.Sorted(maps.Keys(variables)) {
		s.env = append(s.env, name+"="+variables[name])
	}
	return a.offer(ctx, &s, args)
}
