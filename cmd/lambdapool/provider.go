package main

import (
	"context"
	"io"
	"iter"
	"os"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/deploy"
)

// What --on takes.
const (
	onLambda   = "lambda"
	onCloudRun = "cloudrun"
)

// onVariable is what --on is where neither flag nor project file says it.
const onVariable = "LAMBDAPOOL_ON"

// A provider is a cloud, as the commands see it. What differs between clouds is behind it; flags, files, questions and
// the order of things are the commands'.
type provider interface {
	deploy(ctx context.Context, w wanted, o changeOptions) (answer, error)
	list(ctx context.Context) (answer, error)
	show(ctx context.Context, name string) (answer, error)
	call(ctx context.Context, name string, call deploy.Call) (*deploy.Result, error)
	foreign(ctx context.Context, name string, call deploy.Call) (lambdapool.Foreign, error)
	logs(ctx context.Context, name string, q deploy.LogQuery) iter.Seq2[deploy.LogLine, error]
	delete(ctx context.Context, name string, o deploy.DeleteOptions) ([]string, error)
	doctor(ctx context.Context, name string, o deploy.DoctorOptions) ([]deploy.Finding, error)
	cost(ctx context.Context, name string, call deploy.Call, o costOptions) (answer, error)
	close()
}

// An answer is what a command prints: as JSON, or as text for people. json is nil where there is none.
type answer struct {
	json  any
	show  func(io.Writer)
	names []string // of what is listed
}

// changeOptions are those of create and update. What is not fresh is there already.
type changeOptions struct{ fresh, dryRun, noSmoke bool }

// on says which cloud is meant: by the flag, the project file, the environment, or else Lambda.
func (a *app) on() (string, error) {
	p, err := a.project()
	if err != nil {
		return "", err
	}
	for _, on := range []string{a.cloud, p.On, os.Getenv(onVariable)} {
		switch on {
		case "":
		case onLambda, onCloudRun:
			return on, nil
		default:
			return "", usage("on %q: must be %s or %s%s", on, onLambda, onCloudRun, didYouMean(on, []string{onLambda, onCloudRun}))
		}
	}
	return onLambda, nil
}

// onlyOnLambda refuses what another cloud has not, or not by this command.
func (a *app) onlyOnLambda(what, instead string) error {
	on, err := a.on()
	if err == nil && on != onLambda {
		err = usage("%s: only on Lambda%s", what, instead)
	}
	return err
}

// provider opens the cloud that is meant. Close it.
func (a *app) provider(ctx context.Context) (provider, error) {
	on, err := a.on()
	if err != nil {
		return nil, err
	}
	if on == onCloudRun {
		client, err := a.runClient(ctx)
		if err != nil {
			return nil, err
		}
		return &runProvider{client}, nil
	}
	client, err := a.client(ctx)
	if err != nil {
		return nil, err
	}
	return &lambdaProvider{client}, nil
}

// with opens the cloud that is meant, and prints what do answers.
func (a *app) with(ctx context.Context, do func(provider) (answer, error)) error {
	p, err := a.provider(ctx)
	if err != nil {
		return err
	}
	defer p.close()
	said, err := do(p)
	if err != nil {
		return err
	}
	return a.print(said.json, said.show)
}
