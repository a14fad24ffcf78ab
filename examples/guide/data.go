package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/splits"
)

// CountLines counts the lines of its part of the input.
var CountLines = lambdapool.Register("guide.lines", func(ctx context.Context, s splits.Split) (int, error) {
	lines := 0
	for _, err := range s.Lines(ctx) {
		if err != nil {
			return 0, err
		}
		lines++
	}
	return lines, nil
}, lambdapool.Idempotent())

// data counts the lines of files that never are in the client's memory.
func data(ctx context.Context, pool *lambdapool.Executor, w io.Writer) error {
	dir, err := os.MkdirTemp("", "guide-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if err := os.WriteFile(filepath.Join(dir, "a.txt"), []byte("one\ntwo\nthree\n"), 0o600); err != nil {
		return err
	}

	parts, err := splits.Collect(splits.Files([]string{filepath.Join(dir, "*.txt")}, splits.Size(4)))
	if err != nil {
		return err
	}
	counts, err := lambdapool.Map(ctx, pool, CountLines, parts)
	if err != nil {
		return err
	}
	total := 0
	for _, n := range counts {
		total += n
	}
	fmt.Fprintln(w, total, "lines") // 3 lines
	return nil
}
