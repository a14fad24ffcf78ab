package main

import (
	"context"
	"fmt"
	"io"
	"iter"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/cloudrun"
	"github.com/lambdapool/lambdapool/deploy"
	"github.com/lambdapool/lambdapool/deploy/rundeploy"
	"github.com/lambdapool/lambdapool/internal/legible"
	"github.com/lambdapool/lambdapool/price"
)

// A runProvider is Google Cloud Run as the commands see it.
type runProvider struct{ client *rundeploy.Client }

// runClient opens the project. Flags win over the project file, and that over the environment.
func (a *app) runClient(ctx context.Context) (*rundeploy.Client, error) {
	p, err := a.project()
	if err != nil {
		return nil, err
	}
	where := rundeploy.Project{
		ID: or(a.place.ID, p.Project), Region: or(a.account.Region, p.Region), Repository: or(a.place.Repository, p.Repository),
		CallAs: or(a.place.CallAs, p.CallAs), Endpoint: or(a.account.Endpoint, p.Endpoint),
	}
	opts := a.runOptions
	if !a.quiet {
		opts = append(opts, rundeploy.WithProgress(a.progress))
	}
	return rundeploy.Open(ctx, where, opts...)
}

func (c *runProvider) close() { _ = c.client.Close() } // it always returns nil

func (c *runProvider) deploy(ctx context.Context, w wanted, o changeOptions) (answer, error) {
	if o.fresh {
		return c.create(ctx, w, o)
	}
	return c.update(ctx, w, o)
}

func (c *runProvider) create(ctx context.Context, w wanted, o changeOptions) (answer, error) {
	created, err := c.client.Create(ctx, w.onRun(), rundeploy.CreateOptions{DryRun: o.dryRun, NoSmoke: o.noSmoke})
	if created == nil {
		return answer{}, err
	}
	return answer{json: created, show: func(out io.Writer) {
		if o.dryRun {
			showPlan(out, created.Plan)
			return
		}
		fmt.Fprintf(out, "created %s, %d MB, %v vCPU, %s\n", legible.Line(created.Service.Name), created.Service.Memory, created.Service.CPU, legible.Line(created.Service.URL))
		showRegistry(out, created.Registry)
	}}, err
}

func (c *runProvider) update(ctx context.Context, w wanted, o changeOptions) (answer, error) {
	updated, err := c.client.Update(ctx, w.onRun(), rundeploy.UpdateOptions{DryRun: o.dryRun, NoSmoke: o.noSmoke, Tag: w.tag})
	if updated == nil {
		return answer{}, err
	}
	return answer{json: updated, show: func(out io.Writer) {
		showUpdated(out, updated.Service.Name, updated.Plan, updated.Changed, o.dryRun, err)
	}}, err
}

func (c *runProvider) list(ctx context.Context) (answer, error) {
	var names []string
	services := []rundeploy.Service{}
	for s, err := range c.client.List(ctx) {
		if err != nil {
			return answer{}, err
		}
		services, names = append(services, s), append(names, s.Name)
	}
	return answer{json: services, names: names, show: func(w io.Writer) {
		if len(services) == 0 {
			p := c.client.Project()
			fmt.Fprintf(w, "no services in %s, project %s: lambdapool create NAME PACKAGE --on %s makes one\n", p.Region, p.ID, onCloudRun)
			return
		}
		rows := [][]string{{"NAME", "STATE", "VCPU", "MEMORY", "TIMEOUT", "INSTANCES", "MODIFIED", "LAMBDAPOOL"}}
		for _, s := range services {
			rows = append(rows, []string{s.Name, s.State, fmt.Sprint(s.CPU), fmt.Sprintf("%d MB", s.Memory), fmt.Sprintf("%d s", s.Timeout), fmt.Sprint(s.Instances), date(s.LastModified), s.Lambdapool})
		}
		table(w, rows)
	}}, nil
}

func (c *runProvider) show(ctx context.Context, name string) (answer, error) {
	s, err := c.client.Show(ctx, name)
	if err != nil {
		return answer{}, err
	}
	return answer{json: s, show: func(w io.Writer) { showService(w, s) }}, nil
}

// showService prints names of the environment only: its values may be secrets.
func showService(w io.Writer, shown *rundeploy.Shown) {
	s := shown.Service
	table(w, [][]string{
		{"name", s.Name},
		{"project", s.Project},
		{"region", s.Region},
		{"URL", or(s.URL, "none yet")},
		{"lambdapool", or(s.Lambdapool, "not made by lambdapool")},
		{"state", strings.TrimSpace(s.State + " " + s.Reason)},
		{"vCPU", fmt.Sprint(s.CPU)},
		{"memory", fmt.Sprintf("%d MB", s.Memory)},
		{"timeout", fmt.Sprintf("%d s", s.Timeout)},
		{"concurrency", fmt.Sprintf("%d requests an instance", s.Concurrency)},
		{"instances", fmt.Sprintf("%d at most", s.Instances)},
		{"image", s.Image},
		{"source", or(s.Source, "it is in the image")},
		{"revision", or(s.Revision, "none is ready")},
		{"modified", date(s.LastModified)},
		{"runs as", or(s.ServiceAccount, "the project's default account")},
		{"environment", or(strings.Join(s.EnvNames, ", "), "none")},
		{"labels", or(pairsOf(s.Labels, "="), "none")},
		{"tags", or(pairsOf(s.Tags, " → "), "none")},
	})
	if shown.Registry == nil {
		fmt.Fprintf(w, "\nits agent does not answer: %s\n", legible.Text(shown.Problem))
		return
	}
	fmt.Fprintln(w, "\nregistered functions")
	showRegistry(w, shown.Registry)
}

// pairsOf lists a map in order.
func pairsOf(m map[string]string, between string) string {
	var all []string
	for _, key := range slices.Sorted(maps.Keys(m)) {
		all = append(all, key+between+m[key])
	}
	return strings.Join(all, ", ")
}

func (c *runProvider) call(ctx context.Context, name string, call deploy.Call) (*deploy.Result, error) {
	return c.client.Call(ctx, name, call)
}

func (c *runProvider) foreign(ctx context.Context, name string, call deploy.Call) (lambdapool.Foreign, error) {
	return c.client.Foreign(ctx, name, call)
}

func (c *runProvider) logs(ctx context.Context, name string, q deploy.LogQuery) iter.Seq2[deploy.LogLine, error] {
	return c.client.Logs(ctx, name, q)
}

func (c *runProvider) delete(ctx context.Context, name string, o deploy.DeleteOptions) ([]string, error) {
	if o.Logs {
		return nil, usage("logs: on Cloud Run a log belongs to the project, and is kept as long as that says")
	}
	return c.client.Delete(ctx, name, o.DryRun)
}

func (c *runProvider) doctor(ctx context.Context, name string, o deploy.DoctorOptions) ([]deploy.Finding, error) {
	return c.client.Doctor(ctx, name, rundeploy.DoctorOptions{Workers: o.Workers, Package: o.Package, Dir: o.Dir, Local: o.Local})
}

func (c *runProvider) cost(ctx context.Context, name string, call deploy.Call, o costOptions) (answer, error) {
	if o.memories != "" {
		return answer{}, usage("memories: only on Lambda, where the vCPU comes with the memory; on Cloud Run vCPUs are what costs")
	}
	s, err := c.client.Service(ctx, name)
	if err != nil {
		return answer{}, err
	}
	results, err := o.sample(func() (*deploy.Result, error) { return c.client.Call(ctx, name, call) })
	if err != nil {
		return answer{}, err
	}
	var runs []time.Duration
	for _, r := range results {
		runs = append(runs, r.Run)
	}
	estimates := rundeploy.Estimates(runs, o.items, s, 1, 10, 100, 1000, o.chunk)
	return answer{json: estimates, show: func(w io.Writer) { showChunks(w, estimates, s, o) }}, nil
}

// showChunks prints a row per size of a chunk, and where the prices are from.
func showChunks(w io.Writer, estimates []rundeploy.Estimate, s rundeploy.Service, o costOptions) {
	rows := [][]string{{"ITEMS IN A REQUEST", "RUN", "BILLED", fmt.Sprintf("%d ITEMS", o.items), ""}}
	for _, e := range estimates {
		note := ""
		if e.Cheapest {
			note = "cheapest"
		}
		rows = append(rows, []string{fmt.Sprint(e.Chunk), (e.Run * time.Duration(e.Chunk)).Round(time.Microsecond).String(), e.Billed.String(), price.Format(e.USD), note})
	}
	table(w, rows)
	p := price.CloudRun()
	fmt.Fprintf(w, "%v vCPU, %d MB, median of %d calls, items one after another; list prices of %s, %s, in steps of %v\n", s.CPU, s.Memory, o.samples, p.Region, p.Date, p.Granularity)
}

// queueVariable names the queue of Cloud Tasks that detached calls go through.
const queueVariable = "LAMBDAPOOL_QUEUE"

// runRuns opens the bucket of a service. Without a name no service is looked up, and nothing can be queued.
func (a *app) runRuns(ctx context.Context, name, tag string, bucket bucketName) (recorder, error) {
	client, err := a.runClient(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = client.Close() }() // it always returns nil
	p := client.Project()
	var where []cloudrun.BucketOption
	if bucket.prefix != "" {
		where = append(where, cloudrun.Prefix(bucket.prefix))
	}
	if bucket.endpoint != "" {
		where = append(where, cloudrun.BucketEndpoint(bucket.endpoint))
	}
	opts := []cloudrun.Option{cloudrun.WithProject(p.ID), cloudrun.WithRegion(p.Region), cloudrun.WithWorkers(1), cloudrun.WithBucket(bucket.name, where...)}
	if p.Endpoint != "" {
		opts = append(opts, cloudrun.WithEndpoint(p.Endpoint))
	}
	if p.CallAs != "" {
		opts = append(opts, cloudrun.WithServiceAccount(p.CallAs))
	}
	if tag != "" {
		opts = append(opts, cloudrun.WithTag(tag))
	}
	if name == "" {
		name, opts = "runs", append(opts, cloudrun.WithURL("https://runs.invalid"))
	} else {
		queue := os.Getenv(queueVariable)
		if queue == "" {
			return nil, usage("which queue? %s names one of Cloud Tasks, such as lambdapool", queueVariable)
		}
		opts = append(opts, cloudrun.WithQueue(queue))
	}
	b, err := cloudrun.New(ctx, name, opts...)
	if err != nil {
		return nil, err
	}
	return b, nil
}

// onRun is what is wanted of a service.
func (w *wanted) onRun() rundeploy.Spec {
	return rundeploy.Spec{Name: w.Name, Package: w.Package, Dir: w.Dir, Settings: w.run}
}

// check finds the first bad value.
func (w *wanted) check() error {
	if w.on == onCloudRun {
		s := w.onRun()
		return s.Check()
	}
	return w.Check()
}
