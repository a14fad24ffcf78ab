// Wordcount counts words of the same generated files in three ways: a single Go process that counts in a map,
// tr | sort | uniq -c, and a job of package mapreduce on the embedded Lambda with an agent for each core. 107 MB in 4 files, 50,000 different
// words with Zipf's frequencies. Each way is a process, in turns; the least of three times is shown. CPU is that of all processes of a way.
package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"hash/fnv"
	"iter"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/agent"
	"github.com/lambdapool/lambdapool/backend/local"
	"github.com/lambdapool/lambdapool/bench/internal/processes"
	"github.com/lambdapool/lambdapool/mapreduce"
	"github.com/lambdapool/lambdapool/splits"
)

const (
	files = 4
	kinds = 50_000
)

var count = mapreduce.Register("bench.wordcount",
	func(ctx context.Context, s splits.Split, emit func(string, int)) error {
		for line, err := range s.Lines(ctx) {
			if err != nil {
				return err
			}
			for word := range strings.FieldsSeq(string(line)) {
				emit(word, 1)
			}
		}
		return nil
	},
	func(_ context.Context, _ string, counts iter.Seq[int]) (n int, err error) {
		for c := range counts {
			n += c
		}
		return n, nil
	},
	mapreduce.Combine(func(a, b int) int { return a + b }))

func main() {
	agent.Main()
	size := flag.Int("size", 107, "MB of all files together")
	way := flag.String("way", "", "count in one way only, in -dir: single, shell or pool")
	dir := flag.String("dir", "", "where the files are")
	flag.Parse()
	var err error
	switch *way {
	case "":
		err = compare(*size)
	case "single":
		err = single(*dir)
	case "shell":
		err = shell(*dir)
	case "pool":
		err = pool(*dir)
	default:
		err = fmt.Errorf("-way %s: there is single, shell and pool", *way)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "wordcount:", err)
		os.Exit(1)
	}
}

// A measure is what one way took.
type measure struct {
	took, cpu time.Duration
	through   string // the client, in MB
}

// rounds is how often each way counts.
const rounds = 3

// compare runs all ways in turns.
func compare(size int) (err error) {
	dir, err := os.MkdirTemp("", "wordcount-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := generate(dir, size<<20); err != nil {
		return err
	}
	ways := []string{"single", "shell", "pool"}
	least := map[string]measure{}
	counted := ""
	for range rounds {
		for _, way := range ways {
			m, sum, err := run(way, dir)
			if err != nil {
				return fmt.Errorf("%s: %w", way, err)
			}
			if counted = cmp.Or(counted, sum); sum != counted {
				return fmt.Errorf("%s has counted otherwise than those before: %s, %s", way, sum, counted)
			}
			if was, there := least[way]; there {
				m.took, m.cpu = min(m.took, was.took), min(m.cpu, was.cpu)
			}
			least[way] = m
		}
	}
	fmt.Fprintf(os.Stdout, "| %d MB | seconds | CPU, s | seconds to the single process | CPU to it | MB through the client |\n|---|---|---|---|---|---|\n", size)
	one := least["single"]
	for i, name := range []string{"a single process", "tr, sort, uniq", "mapreduce"} {
		m := least[ways[i]]
		fmt.Fprintf(os.Stdout, "| %s | %.2f | %.2f | %.2f | %.2f | %s |\n", name, m.took.Seconds(), m.cpu.Seconds(),
			m.took.Seconds()/one.took.Seconds(), m.cpu.Seconds()/one.cpu.Seconds(), m.through)
	}
	return nil
}

// run counts in one way, and returns the digest of the counts.
func run(way, dir string) (m measure, sum string, err error) {
	self, err := os.Executable()
	if err != nil {
		return m, "", err
	}
	cmd := exec.CommandContext(context.Background(), self, "-way", way, "-dir", dir) //nolint:gosec // this program
	cmd.Stderr = os.Stderr
	began := time.Now()
	out, err := cmd.Output()
	if err != nil {
		return m, "", err
	}
	m.took, m.cpu = time.Since(began), cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime()
	said := strings.Fields(string(out)) // the digest; the CPU of agents, and what went through the client
	if len(said) == 3 {
		agents, err := time.ParseDuration(said[1])
		if err != nil {
			return m, "", err
		}
		m.cpu, m.through = m.cpu+agents, said[2]
	}
	return m, said[0], nil
}

// generate writes lines of ten words.
func generate(dir string, size int) error {
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // data, no secret
	words := make([]string, kinds)
	for i := range words {
		words[i] = strconv.FormatUint(random.Uint64()>>(20+i%20), 36) + strconv.Itoa(i)
	}
	zipf := rand.NewZipf(random, 1.1, 1, kinds-1)
	for i := range files {
		file, err := os.Create(filepath.Join(dir, fmt.Sprintf("%d.txt", i)))
		if err != nil {
			return err
		}
		w := bufio.NewWriter(file)
		for n := 0; n < size/files; {
			for range 10 {
				word := words[zipf.Uint64()]
				n += len(word) + 1
				_, _ = w.WriteString(word)
				_ = w.WriteByte(' ')
			}
			_ = w.WriteByte('\n')
		}
		if err := errors.Join(w.Flush(), file.Close()); err != nil {
			return err
		}
	}
	return nil
}

// digest is the same for the same counts, in whatever order.
type digest struct{ sum uint64 }

func (d *digest) add(word string, n int) {
	h := fnv.New64a()
	fmt.Fprintf(h, "%s %d", word, n)
	d.sum += h.Sum64()
}

func (d *digest) String() string { return strconv.FormatUint(d.sum, 16) }

func single(dir string) error {
	counts := map[string]int{}
	for i := range files {
		file, err := os.Open(filepath.Join(dir, fmt.Sprintf("%d.txt", i)))
		if err != nil {
			return err
		}
		words := bufio.NewScanner(file)
		words.Buffer(make([]byte, 256<<10), 256<<10)
		for words.Scan() {
			for word := range strings.FieldsSeq(words.Text()) {
				counts[word]++
			}
		}
		if err := errors.Join(words.Err(), file.Close()); err != nil {
			return err
		}
	}
	var d digest
	for word, n := range counts {
		d.add(word, n)
	}
	fmt.Fprintln(os.Stdout, &d)
	return nil
}

func shell(dir string) error {
	cmd := exec.CommandContext(context.Background(), "sh", "-c", `cat "$1"/*.txt | tr -s ' ' '\n' | sort | uniq -c`, "sh", dir) //nolint:gosec // this command
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	var d digest
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		number, word, _ := strings.Cut(strings.TrimSpace(lines.Text()), " ")
		n, err := strconv.Atoi(number)
		if err != nil {
			return err
		}
		if word != "" { // where a line ends
			d.add(word, n)
		}
	}
	if err := errors.Join(lines.Err(), cmd.Wait()); err != nil {
		return err
	}
	fmt.Fprintln(os.Stdout, &d)
	return nil
}

func pool(dir string) (err error) {
	b, err := local.New(local.WithConcurrency(runtime.NumCPU()))
	if err != nil {
		return err
	}
	executor, err := lambdapool.New(b, lambdapool.WithOwnedBackend())
	if err != nil {
		return errors.Join(err, b.Close())
	}
	defer func() { err = errors.Join(err, executor.Close()) }()
	var d digest
	inputs := splits.Files([]string{filepath.Join(dir, "*.txt")}, splits.Size(16<<20))
	for kv, err := range count.Run(context.Background(), executor, inputs, mapreduce.Partitions(4)) {
		if err != nil {
			return err
		}
		d.add(kv.Key, kv.Value)
	}
	agents, err := processes.Below(os.Getpid())
	if err != nil {
		return err
	}
	stats := executor.Stats()
	fmt.Fprintln(os.Stdout, &d, agents.CPU, fmt.Sprintf("%.2f", float64(stats.Sent+stats.Received)/1e6))
	return nil
}
