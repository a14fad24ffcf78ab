package lambdapool_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/lambdapool/lambdapool"
)

// readPage logs what it does.
var readPage = lambdapool.Register("example.readPage", func(ctx context.Context, page string) (int, error) {
	log := lambdapool.Logger(ctx)
	log.Info("opened", "page", page)
	if page == "" {
		log.Warn("no name")
		return 0, errors.New("nothing to read")
	}
	return len(page), nil
})

// plain is a handler without times, which differ.
func plain() slog.Handler {
	return slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey || len(groups) > 0 {
			return slog.Attr{}
		}
		return a
	}})
}

func ExampleLogger() {
	before := slog.Default()
	slog.SetDefault(slog.New(plain())) // where the lines of functions go on inproc
	defer slog.SetDefault(before)

	pool := mustPool()
	defer pool.Close()
	fmt.Println(lambdapool.Call(context.Background(), pool, readPage, "index"))
	// Output:
	// level=INFO msg=opened page=index
	// 5 <nil>
}

func ExampleWithLogs() {
	before := slog.Default()
	slog.SetDefault(slog.New(slog.DiscardHandler)) // no matter where functions run
	defer slog.SetDefault(before)

	pool := mustPool(lambdapool.WithLogger(slog.New(plain())))
	defer pool.Close()
	_, err := lambdapool.Map(context.Background(), pool, readPage, []string{""}, lambdapool.WithLogs(lambdapool.Logs{Level: slog.LevelWarn}))
	fmt.Println(err)
	// Output:
	// level=WARN msg="no name" func=example.readPage item=0 attempt=1
	// item 0: lambdapool: call example.readPage: nothing to read
}
