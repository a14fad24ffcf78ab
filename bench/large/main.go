// Command large measures what large payloads cost the client: one call with a large
// argument and a result of the same size, through the embedded Lambda's object store
// to an agent process and back.
//
//	go -C bench run ./large            # 100 MB
//	go -C bench run ./large -size 500  # MB
//
// A payload's size is that of its encoding. Memory is VmHWM of the client process, the
// highest resident size of its life: Go's runtime, the program, the embedded Lambda with
// its store's buffers, the caller's own argument and the result are all in it. The agents
// are other processes. Each measurement is a process of its own, as the number never
// falls.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/agent"
	"github.com/lambdapool/lambdapool/backend/local"
)

var (
	echoBytes   = lambdapool.Register("large.bytes", func(_ context.Context, b []byte) ([]byte, error) { return b, nil })
	echoFloats  = lambdapool.Register("large.floats", func(_ context.Context, v []float64) ([]float64, error) { return v, nil })
	echoLines   = lambdapool.Register("large.lines", func(_ context.Context, s []string) ([]string, error) { return s, nil })
	echoRecords = lambdapool.Register("large.records", func(_ context.Context, r []record) ([]record, error) { return r, nil })
	echoTable   = lambdapool.Register("large.table", func(_ context.Context, m map[string]string) (map[string]string, error) { return m, nil })
)

// A record takes about 150 bytes when encoded.
type record struct {
	ID            int
	Name, Address string
	Score         float64
	Valid         bool
}

// A kind is a payload: how it is made, called and compared.
type kind struct {
	name, about string
	run         func(ctx context.Context, e *lambdapool.Executor, size int) error
}

var kinds = []kind{
	{"noise", "[]byte that does not shrink", func(ctx context.Context, e *lambdapool.Executor, size int) error {
		arg := noise(size)
		got, err := lambdapool.Call(ctx, e, echoBytes, arg)
		return same(bytes.Equal(got, arg), err)
	}},
	{"text", "[]byte that zstd shrinks", func(ctx context.Context, e *lambdapool.Executor, size int) error {
		arg := text(size)
		got, err := lambdapool.Call(ctx, e, echoBytes, arg)
		return same(bytes.Equal(got, arg), err)
	}},
	{"mapped", "[]byte that does not shrink, the only item of a Map", func(ctx context.Context, e *lambdapool.Executor, size int) error {
		arg := noise(size)
		got, err := lambdapool.Map(ctx, e, echoBytes, [][]byte{arg})
		return same(err == nil && bytes.Equal(got[0], arg), err)
	}},
	{"mapped lines", "[]string of 100 bytes each, the only item of a Map", func(ctx context.Context, e *lambdapool.Executor, size int) error {
		arg := lines(size)
		got, err := lambdapool.Map(ctx, e, echoLines, [][]string{arg})
		return same(err == nil && slices.Equal(got[0], arg), err)
	}},
	{"floats", "[]float64", func(ctx context.Context, e *lambdapool.Executor, size int) error {
		arg := make([]float64, size/8)
		for i := range arg {
			arg[i] = rand.Float64() //nolint:gosec // data, no secret
		}
		got, err := lambdapool.Call(ctx, e, echoFloats, arg)
		return same(len(got) == len(arg) && got[len(got)/2] == arg[len(arg)/2], err)
	}},
	{"lines", "[]string of 100 bytes each, parts of one string", func(ctx context.Context, e *lambdapool.Executor, size int) error {
		arg := lines(size)
		got, err := lambdapool.Call(ctx, e, echoLines, arg)
		return same(slices.Equal(got, arg), err)
	}},
	{"words", "[]string of 100 random letters each, in memory a quarter more", func(ctx context.Context, e *lambdapool.Executor, size int) error {
		arg := make([]string, size/100)
		words := letters()
		for i := range arg {
			arg[i] = words(99)
		}
		got, err := lambdapool.Call(ctx, e, echoLines, arg)
		return same(slices.Equal(got, arg), err)
	}},
	{"records", "[]struct of two numbers, a bool and two strings, 150 bytes each; in memory a third more", func(ctx context.Context, e *lambdapool.Executor, size int) error {
		arg := make([]record, size/150)
		words := letters()
		for i := range arg {
			arg[i] = record{i, words(32), words(97), float64(i) / 3, i%2 == 0}
		}
		got, err := lambdapool.Call(ctx, e, echoRecords, arg)
		return same(slices.Equal(got, arg), err)
	}},
	{"table", "map[string]string, 150 bytes a pair; in memory twice as large", func(ctx context.Context, e *lambdapool.Executor, size int) error {
		arg := make(map[string]string, size/150)
		words := letters()
		for range size / 150 {
			arg[words(32)] = words(114)
		}
		got, err := lambdapool.Call(ctx, e, echoTable, arg)
		return same(maps.Equal(got, arg), err)
	}},
}

func same(equal bool, err error) error {
	if err == nil && !equal {
		err = errors.New("the result is not the argument")
	}
	return err
}

// lines are parts of one string.
func lines(n int) []string {
	return strings.Split(strings.TrimSuffix(strings.Repeat(strings.Repeat("x", 99)+"\n", n/100), "\n"), "\n")
}

func noise(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{}).Read(b) // never fails
	return b
}

// letters returns what makes strings of n random letters.
func letters() func(n int) string {
	random := rand.NewChaCha8([32]byte{})
	b := make([]byte, 256)
	return func(n int) string {
		_, _ = random.Read(b[:n]) // never fails
		for i := range b[:n] {
			b[i] = 'a' + b[i]%26
		}
		return string(b[:n])
	}
}

func text(n int) []byte {
	b := make([]byte, 0, n+64)
	for i := 0; len(b) < n; i++ {
		b = fmt.Appendf(b, `{"id":%d,"name":"record %d","value":%d}`+"\n", i, i%1000, i*i)
	}
	return b[:n]
}

func main() {
	agent.Main()
	size := flag.Int("size", 100, "payload in MB (1,000,000 bytes)")
	one := flag.String("kind", "", "measure only this kind, in this process")
	flag.Parse()
	if err := run(*size*1_000_000, *one); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(size int, one string) error {
	for _, k := range kinds {
		if k.name == one {
			return measure(k, size)
		}
	}
	if one != "" {
		return fmt.Errorf("there is no kind %q", one)
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	fmt.Fprintln(os.Stdout, "| payload | MB | VmHWM MB | times payload | seconds | what |\n|---|---|---|---|---|---|")
	for _, k := range kinds {
		cmd := exec.CommandContext(context.Background(), self, "-kind", k.name, "-size", strconv.Itoa(size/1_000_000)) //nolint:gosec // this program
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("%s: %w", k.name, err)
		}
	}
	return nil
}

// measure makes one call, in a process that does nothing else.
func measure(k kind, size int) (err error) {
	b, err := local.New(local.WithConcurrency(1), local.WithMemory(10_240))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	e, err := lambdapool.New(b)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.Close()) }()
	began := time.Now()
	if err := k.run(context.Background(), e, size); err != nil {
		return err
	}
	took := time.Since(began)
	peak, err := highWater()
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stdout, "| %s | %.1f | %.1f | %.2f | %.2f | %s |\n", k.name, float64(size)/1e6, float64(peak)/1e6,
		float64(peak)/float64(size), took.Seconds(), k.about)
	return nil
}

// highWater returns the highest resident size of this process so far, in bytes.
func highWater() (int64, error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(status)) {
		if value, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
			return kib << 10, err
		}
	}
	return 0, errors.New("/proc/self/status has no VmHWM")
}
