package mapreduce_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/local"
	"github.com/lambdapool/lambdapool/journal"
	"github.com/lambdapool/lambdapool/mapreduce"
)

// clientVariable holds, as JSON, what a process does that is a client to be killed.
const clientVariable = "MAPREDUCE_TEST_CLIENT"

// A client is a program with a job, that somebody kills.
type client struct {
	Dir      string
	Detached bool
	Stop     string // where it says so and waits for its end; "": it goes on to the end
}

// An account is what it says in the end.
type account struct {
	Counts map[string]int
	Ran    map[string]int // calls of each function, without those that were recorded before
}

// killed are the inputs of the job, and partitions those of its keys.
var killed = textsOf(11, 8, 300, 60)

const partitions = 4

// play has this process be the client that the environment names, if any.
func play() (played bool) {
	said := os.Getenv(clientVariable)
	if said == "" {
		return false
	}
	var c client
	err := json.Unmarshal([]byte(said), &c)
	if err == nil {
		err = c.run(context.Background())
	}
	if err != nil {
		fmt.Println("failed:", err)
	}
	return true
}

// reaches says that the client has come to a point, and stays there if it is the one.
func (c *client) reaches(point string) {
	if c.Stop == point {
		fmt.Println("stop")
		select {}
	}
}

func (c *client) run(ctx context.Context) error {
	b, err := local.New(local.WithConcurrency(2), local.WithData(filepath.Join(c.Dir, "data")))
	if err != nil {
		return err
	}
	pool, err := lambdapool.New(b, lambdapool.WithOwnedBackend(), lambdapool.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		return err
	}
	defer pool.Close()
	a := account{Counts: map[string]int{}, Ran: map[string]int{}}
	progress := mapreduce.With(lambdapool.Progress(func(s lambdapool.Snapshot) {
		a.Ran[s.Func] = s.Done - s.Skipped
		if s.Final && strings.HasSuffix(s.Func, "/map") {
			c.reaches("mapped")
		}
	}))
	results, err := c.begin(ctx, pool, progress)
	if err != nil {
		return err
	}
	for kv, err := range results {
		if err != nil {
			return err
		}
		if a.Counts[kv.Key] = kv.Value; len(a.Counts) == 2*len(countHere(killed))/partitions+5 { // within the third partition, or the second
			c.reaches("reducing")
		}
	}
	left, err := pool.Store().List(ctx, "", "")
	if err != nil {
		return err
	}
	for _, o := range left.Objects {
		if !c.Detached || strings.Contains(o.Key, "/pieces/") {
			return fmt.Errorf("left: %s", o.Key)
		}
	}
	return json.NewEncoder(os.Stdout).Encode(a)
}

func (c *client) begin(ctx context.Context, pool *lambdapool.Executor, progress mapreduce.Option) (iter.Seq2[mapreduce.Pair[string, int], error], error) {
	if c.Detached {
		err := count.Start(ctx, pool, "killed", source(killed), mapreduce.Partitions(partitions))
		c.reaches("mapping")
		return count.Attach(ctx, pool, "killed", progress), err
	}
	inputs := func(yield func(text, error) bool) {
		for i, t := range killed {
			if i == 5 {
				c.reaches("mapping")
			}
			if !yield(t, nil) {
				return
			}
		}
	}
	return count.Run(ctx, pool, inputs, mapreduce.Name("killed"), mapreduce.Partitions(partitions), progress,
		mapreduce.With(journal.WithJournal(filepath.Join(c.Dir, "journal")), lambdapool.ChunkSize(1), lambdapool.Window(1))), nil
}

// start starts the client, and returns what ends it as kill -9 does, and what it says.
func (c client) start(t *testing.T) (kill func(), says *bufio.Scanner) {
	t.Helper()
	data, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), clientVariable+"="+string(data))
	cmd.Stderr = t.Output()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	kill = func() {
		_ = cmd.Process.Kill() // it may have ended
		_, _ = io.Copy(io.Discard, out)
		_ = cmd.Wait() // it was killed
	}
	t.Cleanup(kill)
	return kill, bufio.NewScanner(out)
}

// A client that is killed with kill -9, wherever it is, is started again and goes on with what there is.
func TestKilledClients(t *testing.T) {
	t.Parallel()
	for _, detached := range []bool{false, true} {
		for _, stop := range []string{"mapping", "mapped", "reducing"} {
			t.Run(fmt.Sprintf("%s/detached=%t", stop, detached), func(t *testing.T) {
				t.Parallel()
				dir := t.TempDir()
				kill, says := client{dir, detached, stop}.start(t)
				if !says.Scan() || says.Text() != "stop" {
					t.Fatalf("the first client says %q", says.Text())
				}
				kill()
				_, says = client{Dir: dir, Detached: detached}.start(t)
				var a account
				if !says.Scan() || json.Unmarshal(says.Bytes(), &a) != nil {
					t.Fatalf("the second client says %q", says.Text())
				}
				if want := countHere(killed); !maps.Equal(a.Counts, want) {
					t.Errorf("%d counts, want %d", len(a.Counts), len(want))
				}
				if detached {
					return
				}
				// Of what is recorded nothing runs again: what was in flight may.
				m, r := a.Ran["mapreduce-test-count/map"], a.Ran["mapreduce-test-count/reduce"]
				if most := map[string][2]int{"mapping": {4, 4}, "mapped": {0, 4}, "reducing": {0, 3}}[stop]; m > most[0] || r > most[1] || r == 0 && stop != "reducing" {
					t.Errorf("%d inputs and %d partitions again, want %v at most", m, r, most)
				}
			})
		}
	}
}
