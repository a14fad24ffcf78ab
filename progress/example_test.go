package progress_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/inproc"
	"github.com/lambdapool/lambdapool/progress"
)

var square = lambdapool.Register("progress-square", func(_ context.Context, n int) (int, error) { return n * n, nil })

func Example() {
	pool, err := lambdapool.New(inproc.New())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer pool.Close()

	var out strings.Builder // a program has os.Stderr here
	_, err = lambdapool.Map(context.Background(), pool, square, []int{1, 2, 3}, progress.Bar(&out, progress.Name("squares")))
	if err != nil {
		fmt.Println(err)
	}
	line, _, _ := strings.Cut(out.String(), " in ") // 0.0s
	fmt.Println(line)
	// Output: squares: 3 items
}

func ExampleJSON() {
	pool, err := lambdapool.New(inproc.New())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer pool.Close()

	var out bytes.Buffer // a pipe, a file or a log
	_, err = lambdapool.Map(context.Background(), pool, square, []int{1, 2, 3}, progress.JSON(&out))
	if err != nil {
		fmt.Println(err)
	}
	for dec := json.NewDecoder(&out); dec.More(); {
		var line struct {
			Name  string `json:"name"`
			Done  int    `json:"done"`
			Total *int   `json:"total"`
			Final bool   `json:"final"`
		}
		if err := dec.Decode(&line); err != nil {
			fmt.Println(err)
			return
		}
		if line.Final {
			fmt.Println(line.Name, line.Done, "of", *line.Total)
		}
	}
	// Output: progress-square 3 of 3
}

func ExampleWriter() {
	// With a bar on os.Stderr, log lines belong above it.
	log := slog.New(slog.NewTextHandler(progress.Writer(os.Stdout), &slog.HandlerOptions{
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{} // for this example only
			}
			return a
		},
	}))
	log.Info("throttled", "limit", 40)
	// Output: level=INFO msg=throttled limit=40
}

// In a container's log a line a minute may be enough. This run is shorter: it has its summary alone.
func ExampleInterval() {
	pool, err := lambdapool.New(inproc.New())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer pool.Close()

	var out strings.Builder
	_, err = lambdapool.Map(context.Background(), pool, square, []int{1, 2, 3},
		progress.Bar(&out, progress.Interval(time.Minute), progress.Plain()))
	fmt.Println(strings.Count(out.String(), "\n"), "line", err)
	// Output: 1 line <nil>
}
