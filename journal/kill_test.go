package journal_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/inproc"
	"github.com/lambdapool/lambdapool/journal"
)

const killItems = 240

// told has a child's function tell of each execution.
var told = lambdapool.Register("test.told", func(ctx context.Context, n int) (int, error) {
	fmt.Printf("ran %d\n", n)
	return squareOf(ctx, n)
})

// play is a child: it maps, and tells what it runs and gets.
func play(role string) int {
	dir, name, _ := strings.Cut(role, "|")
	b := inproc.New()
	e, err := lambdapool.New(b, lambdapool.WithWorkers(8))
	if err != nil {
		fmt.Println("error", err)
		return 1
	}
	run := map[string]func(*lambdapool.Executor, string) error{"kill": playKilled, "full": playFull}[name]
	if err := errors.Join(run(e, dir), e.Close(), b.Close()); err != nil {
		fmt.Println("error", err)
		return 1
	}
	return 0
}

func playKilled(e *lambdapool.Executor, dir string) error {
	for r := range lambdapool.StreamUnordered(context.Background(), e, told, slices.Values(upTo(killItems)),
		journal.WithJournal(dir), lambdapool.ContinueOnError(), lambdapool.ChunkSize(3)) {
		fmt.Printf("got %d %v %v\n", r.Index, r.Value, r.Err)
	}
	return nil
}

// child starts a copy of this executable in a role.
func child(t *testing.T, dir, role string) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe)
	cmd.Env = append(os.Environ(), roleVariable+"="+dir+"|"+role)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, bufio.NewScanner(out)
}

// A process that is killed again and again ends with the results of one that is
// left alone, and runs nothing that it had recorded.
func TestKilled(t *testing.T) {
	t.Parallel()
	for seed := range uint64(3) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			undisturbed, _ := killed(t, t.TempDir(), func() int { return 0 })
			random := rand.New(rand.NewPCG(seed, 6))
			results, kills := killed(t, t.TempDir(), func() int { return 1 + random.IntN(60) })
			if diff := cmp.Diff(undisturbed, results); diff != "" {
				t.Errorf("after %d kills (-undisturbed +killed):\n%s", kills, diff)
			}
			if len(results) != killItems || kills < 2 {
				t.Errorf("%d items after %d kills", len(results), kills)
			}
		})
	}
}

// killed runs children until one comes to its end. Each is killed when it has
// told of as many executions as patience says; 0: never.
func killed(t *testing.T, dir string, patience func() int) (results map[string]string, kills int) {
	t.Helper()
	recorded := map[string]bool{}
	for {
		results = map[string]string{}
		cmd, lines := child(t, dir, "kill")
		limit, shot := patience(), false
		for lines.Scan() {
			verb, rest, _ := strings.Cut(lines.Text(), " ")
			item, result, _ := strings.Cut(rest, " ")
			if verb == "ran" {
				if limit--; limit == 0 {
					shot = true
					_ = cmd.Process.Kill() // it may have come to its end
				}
			}
			switch {
			case verb == "got":
				if _, twice := results[item]; twice {
					t.Errorf("item %s is delivered twice", item)
				}
				results[item] = result
			case verb != "ran":
				t.Errorf("the child says %q", lines.Text())
			case recorded[item]:
				t.Errorf("item %s is run although it was recorded", item)
			}
		}
		err := cmd.Wait()
		now := inJournal(t, dir)
		for item := range results {
			if !now[item] {
				t.Errorf("item %s is delivered and not recorded", item)
			}
		}
		for item := range recorded {
			if !now[item] {
				t.Errorf("item %s is recorded no more", item)
			}
		}
		if recorded = now; err == nil {
			return results, kills
		}
		if kills++; !shot {
			t.Fatalf("the child failed: %v", err)
		}
	}
}

// inJournal returns which items are recorded.
func inJournal(t *testing.T, dir string) map[string]bool {
	t.Helper()
	items := map[string]bool{}
	if _, err := os.Stat(journal.File(dir, told.Name())); errors.Is(err, os.ErrNotExist) {
		return items
	}
	f, _ := lambdapool.DefaultRegistry.Lookup(told.Name())
	log, err := journal.Open(dir, told.Name(), lambdapool.JournalRun{Func: f.Name(), Shape: f.Shape(), Fingerprint: f.Fingerprint()})
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; ; i++ {
		entry, ok, err := log.Next(i)
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			break
		}
		i = entry.Index
		items[fmt.Sprint(i)] = true
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	return items
}

// playFull runs with as little disk as full_unix_test.go leaves it.
func playFull(e *lambdapool.Executor, dir string) error {
	if err := limitDisk(); err != nil {
		return err
	}
	sizes := slices.Repeat([]int{10_000}, 100)
	for s, err := range lambdapool.Stream(context.Background(), e, stretch, slices.Values(sizes), journal.WithJournal(dir), lambdapool.ChunkSize(1), lambdapool.Window(8)) {
		if err != nil {
			_, err = io.WriteString(os.Stdout, "stopped "+err.Error()+"\n")
			return err
		}
		fmt.Println("got", len(s))
	}
	return errors.New("the run came to its end")
}
