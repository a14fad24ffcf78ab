package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/examples/quickstart/parse"
)

// A cost is what a run on the pool took, by the pool's own numbers.
type cost struct {
	Wall       time.Duration    `json:"wall_ns"`
	MemoryPeak int64            `json:"memory_peak_bytes"` // of the largest agent
	Stats      lambdapool.Stats `json:"stats"`
}

// standardLibrary returns the directory of the standard library's source.
func standardLibrary(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	if err != nil {
		return "", fmt.Errorf("find the standard library: go env GOROOT: %w (put go into PATH, or name a directory with --dir)", err)
	}
	dir := filepath.Join(strings.TrimSpace(string(out)), "src")
	if _, err := os.Stat(dir); err != nil {
		return "", fmt.Errorf("find the standard library: %w (this Go came without its source: name a directory with --dir)", err)
	}
	return dir, nil
}

// goFiles lists the .go files below dir, with slashes, relative to dir.
func goFiles(dir string) ([]string, error) {
	var files []string
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() && strings.HasSuffix(name, ".go") {
			files = append(files, name)
		}
		return err
	})
	switch {
	case err != nil:
		return nil, fmt.Errorf("list %s: %w", dir, err)
	case len(files) == 0:
		return nil, fmt.Errorf("list %s: there is no .go file in or below it (name another with --dir)", dir)
	}
	return files, nil
}

// onPool parses the files on the pool, one call each, reports progress after each, and shuts the
// pool down.
//
// Submit does not block, so all calls are queued at once and the executor keeps as many in flight
// as there are workers. A queued call holds its encoded arguments: here the whole standard library,
// some 90 MB. For inputs that are larger than memory there is lambdapool.Stream, which pulls them as
// it goes.
func onPool(ctx context.Context, e *lambdapool.Executor, dir string, files []string, progress func(done int)) (*tally, *cost, error) {
	// What was submitted before an error is not worth waiting for.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()

	start := time.Now()
	// Futures complete in any order, so each has to be found again.
	names := make(map[*lambdapool.Future[parse.Facts]]string, len(files))
	futures := make([]*lambdapool.Future[parse.Facts], len(files))
	for i, name := range files {
		source, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
		if err != nil {
			return nil, nil, err
		}
		futures[i] = lambdapool.Submit(ctx, e, parse.Parse, parse.File{Name: name, Source: source})
		names[futures[i]] = name
	}

	t, c := &tally{}, &cost{}
	done := 0
	// An error is either the function's or the pool's. Here the function says by a sentinel that a
	// file is not Go, which is a result like any other.
	for f := range lambdapool.AsCompleted(ctx, futures...) {
		facts, err := f.Result(ctx)
		switch {
		case errors.Is(err, parse.ErrSyntax): // the function said so, on the agent
			t.Invalid++
		case err != nil: // it panicked, or the pool failed
			return nil, nil, fmt.Errorf("parse %s: %w", names[f], err)
		default:
			t.add(names[f], facts)
		}
		c.MemoryPeak = max(c.MemoryPeak, f.Stats().MemoryPeak)
		done++
		progress(done)
	}
	if done < len(files) {
		return nil, nil, context.Cause(ctx)
	}
	c.Wall = time.Since(start)
	if err := e.Shutdown(ctx); err != nil { // the last call has ended, but may not be counted yet
		return nil, nil, err
	}
	c.Stats = e.Stats()
	t.finish(top)
	return t, c, nil
}

// inGoroutines does the same work in this process, without a pool, on every CPU: what the pool's
// numbers are to be compared with. It calls the function itself: registered functions are ordinary
// ones.
func inGoroutines(ctx context.Context, dir string, files []string) (*tally, time.Duration, error) {
	start := time.Now()
	var mu sync.Mutex
	t := &tally{}
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for _, name := range files {
		group.Go(func() error {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			source, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
			if err != nil {
				return err
			}
			facts, err := parse.Source(ctx, parse.File{Name: name, Source: source})
			mu.Lock()
			defer mu.Unlock()
			switch {
			case errors.Is(err, parse.ErrSyntax):
				t.Invalid++
			case err != nil:
				return fmt.Errorf("parse %s: %w", name, err)
			default:
				t.add(name, facts)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, 0, err
	}
	took := time.Since(start)
	t.finish(top)
	return t, took, nil
}
