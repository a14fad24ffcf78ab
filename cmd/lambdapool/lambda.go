package main

import (
	"context"
	"fmt"
	"io"
	"iter"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/deploy"
	"github.com/lambdapool/lambdapool/internal/legible"
)

// A lambdaProvider is AWS Lambda as the commands see it.
type lambdaProvider struct{ client *deploy.Client }

func (l *lambdaProvider) close() {}

func (l *lambdaProvider) deploy(ctx context.Context, w wanted, o changeOptions) (answer, error) {
	if o.fresh {
		return l.create(ctx, w, o)
	}
	return l.update(ctx, w, o)
}

func (l *lambdaProvider) create(ctx context.Context, w wanted, o changeOptions) (answer, error) {
	created, err := l.client.Create(ctx, w.Spec, deploy.CreateOptions{DryRun: o.dryRun, NoSmoke: o.noSmoke})
	if created == nil {
		return answer{}, err
	}
	return answer{json: created, show: func(out io.Writer) { showCreated(out, created, o.dryRun) }}, err
}

func (l *lambdaProvider) update(ctx context.Context, w wanted, o changeOptions) (answer, error) {
	updated, err := l.client.Update(ctx, w.Spec, deploy.UpdateOptions{DryRun: o.dryRun, NoSmoke: o.noSmoke, Publish: w.publish, Alias: w.alias})
	if updated == nil {
		return answer{}, err
	}
	return answer{json: updated, show: func(out io.Writer) {
		changed := updated.Changed || updated.Version != "" || o.dryRun && (w.publish || w.alias != "")
		showUpdated(out, updated.Function.Name, updated.Plan, changed, o.dryRun, err)
	}}, err
}

func (l *lambdaProvider) list(ctx context.Context) (answer, error) {
	var names []string
	functions := []deploy.Function{}
	for f, err := range l.client.List(ctx) {
		if err != nil {
			return answer{}, err
		}
		functions, names = append(functions, f), append(names, f.Name)
	}
	return answer{json: functions, names: names, show: func(w io.Writer) {
		if len(functions) == 0 {
			fmt.Fprintf(w, "no functions in %s: lambdapool create NAME PACKAGE makes one\n", l.client.Region())
			return
		}
		rows := [][]string{{"NAME", "SHARDS", "ARCH", "MEMORY", "TIMEOUT", "CODE", "MODIFIED", "LAMBDAPOOL"}}
		for _, f := range functions {
			rows = append(rows, []string{f.Name, fmt.Sprint(max(f.Shards, 1)), f.Arch, fmt.Sprintf("%d MB", f.Memory), fmt.Sprintf("%d s", f.Timeout), megabytes(f.CodeSize), date(f.LastModified), f.Lambdapool})
		}
		table(w, rows)
		for _, f := range functions {
			if f.Uneven != "" {
				fmt.Fprintf(w, "%s: %s\n", f.Name, legible.Line(f.Uneven))
			}
		}
	}}, nil
}

func (l *lambdaProvider) show(ctx context.Context, name string) (answer, error) {
	s, err := l.client.Show(ctx, name)
	if err != nil {
		return answer{}, err
	}
	return answer{json: s, show: func(w io.Writer) { showFunction(w, s) }}, nil
}

func (l *lambdaProvider) call(ctx context.Context, name string, call deploy.Call) (*deploy.Result, error) {
	return l.client.Call(ctx, name, call)
}

func (l *lambdaProvider) foreign(ctx context.Context, name string, call deploy.Call) (lambdapool.Foreign, error) {
	return l.client.Foreign(ctx, name, call)
}

func (l *lambdaProvider) logs(ctx context.Context, name string, q deploy.LogQuery) iter.Seq2[deploy.LogLine, error] {
	return l.client.Logs(ctx, name, q)
}

func (l *lambdaProvider) delete(ctx context.Context, name string, o deploy.DeleteOptions) ([]string, error) {
	return l.client.Delete(ctx, name, o)
}

func (l *lambdaProvider) doctor(ctx context.Context, name string, o deploy.DoctorOptions) ([]deploy.Finding, error) {
	return l.client.Doctor(ctx, name, o)
}

func (l *lambdaProvider) cost(ctx context.Context, name string, call deploy.Call, o costOptions) (answer, error) {
	settings, err := parseMemories(o.memories)
	if err != nil {
		return answer{}, err
	}
	f, err := l.client.Function(ctx, name, call.Qualifier)
	if err != nil {
		return answer{}, err
	}
	results, err := o.sample(func() (*deploy.Result, error) { return l.client.Call(ctx, name, call) })
	if err != nil {
		return answer{}, err
	}
	var measured []deploy.Sample
	for _, r := range results {
		measured = append(measured, deploy.Sample{Run: r.Run, CPU: r.CPU, PeakMemory: r.PeakMemory, Memory: f.Memory})
	}
	estimates := deploy.ChunkEstimates(measured, o.items, o.chunk, f.Arch, settings...)
	return answer{json: estimates, show: func(w io.Writer) { showEstimates(w, estimates, o.items, o.samples, o.chunk, f.Arch) }}, nil
}
