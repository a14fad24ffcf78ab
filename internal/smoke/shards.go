package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/awslambda"
	"github.com/lambdapool/lambdapool/deploy"
	"github.com/lambdapool/lambdapool/internal/schedule"
	"github.com/lambdapool/lambdapool/internal/smoke/work"
)

// shardCount is how many functions stand for the one of that claim.
const shardCount = 3

// shards deploys a function on several, and has as many calls as the ramp. A client has to find out how many they are, and each
// of them has to get some. How fast they grow is reported, beside what the ramp of one function said: an account
// shows it with more workers than the 1,000 that a single function starts at once.
func (a *account) shards(ctx context.Context, workers int) (seen string, err error) {
	name := a.name + "-many"
	a.remember("function "+name, func(ctx context.Context) error {
		_, err := a.client.Delete(ctx, name, deploy.DeleteOptions{Logs: true})
		return err
	})
	began := time.Now()
	if _, err := a.client.Create(ctx, deploy.Spec{
		Name: name, Package: agentPackage, Shards: shardCount, Settings: deploy.Settings{Memory: memory, Timeout: timeout},
	}, deploy.CreateOptions{}); err != nil {
		return "", err
	}
	seen = fmt.Sprintf("%d functions made in %.1f s", shardCount, time.Since(began).Seconds())
	b, err := awslambda.New(ctx, name, awslambda.WithFunctionTimeout(timeout), awslambda.WithWorkers(workers))
	if err != nil {
		return seen, err
	}
	e, err := lambdapool.New(b, lambdapool.WithOwnedBackend())
	if err != nil {
		return seen, err
	}
	defer e.Close() //nolint:errcheck // nothing is left in it
	if err := found(ctx, b); err != nil {
		return seen, err
	}
	in := make([]int, 10*workers)
	for i := range in {
		in[i] = i
	}
	began = time.Now()
	if _, err := lambdapool.Map(ctx, e, work.Square, in, lambdapool.ChunkSize(1)); err != nil {
		return seen, err
	}
	s := e.Stats()
	seen += fmt.Sprintf(", %d calls of 0.2 s in %.1f s, %d cold starts, %d throttles", len(in), time.Since(began).Seconds(), s.ColdStarts, s.Throttles)
	if _, err := a.client.Update(ctx, deploy.Spec{Name: name, Settings: deploy.Settings{Memory: memory + 1}}, deploy.UpdateOptions{NoSmoke: true}); err != nil {
		return seen, err
	}
	shown, err := a.client.Show(ctx, name)
	switch {
	case err != nil:
		return seen, err
	case shown.Function.Shards != shardCount || shown.Function.Uneven != "":
		return seen, fmt.Errorf("shown are %d shards, %s", shown.Function.Shards, shown.Function.Uneven)
	}
	return seen, a.eachIsUsed(ctx, name)
}

// found waits until the client knows of its shards. Before, all calls go to the first, which is warm then and gets the next
// ones as well.
func found(ctx context.Context, b *awslambda.Backend) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	grown := make(chan struct{}, 1)
	stop := b.WatchLimits(func(l lambdapool.Limits) {
		if l.Burst >= shardCount*schedule.LambdaBurst {
			select {
			case grown <- struct{}{}:
			default:
			}
		}
	})
	defer stop()
	select {
	case <-grown:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("the client has not found its %d shards: %w", shardCount, ctx.Err())
	}
}

// eachIsUsed looks into the log for calls on every shard.
func (a *account) eachIsUsed(ctx context.Context, name string) error {
	used := map[string]bool{}
	for wait := time.Duration(0); len(used) < shardCount-1; wait = 5 * time.Second { // logs arrive late
		select {
		case <-ctx.Done():
			return errors.Join(context.Cause(ctx), fmt.Errorf("in the log are calls of %d shards beside the first", len(used)))
		case <-time.After(wait):
		}
		for line, err := range a.client.Logs(ctx, name, deploy.LogQuery{Filter: `"REPORT"`}) {
			if err != nil {
				return err
			}
			if shard, _, ok := strings.Cut(line.Stream, "/"); ok && strings.HasPrefix(shard, name+"-") {
				used[shard] = true
			}
		}
	}
	return nil
}
