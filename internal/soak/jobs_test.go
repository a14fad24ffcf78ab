package soak_test

import (
	"bufio"
	"context"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lambdapool/lambdapool"
)

// A job is what a call of a detached run, or of one with a journal, asks for. What becomes of it
// follows from its ID alone.
type job struct {
	ID   int
	Work time.Duration
	Load string // some are large
}

var (
	detachedOnce  = lambdapool.Register("soak.detachedOnce", runJob)
	detachedOften = lambdapool.Register("soak.detachedOften", runJob, lambdapool.Idempotent())
)

// jobs are those of a run. Some have arguments that go through the store, if any do.
func jobs(seed uint64, n, stored int) []job {
	random := rand.New(rand.NewPCG(seed, 1))
	all := make([]job, n)
	for i := range all {
		all[i] = job{ID: i, Work: time.Duration(random.IntN(int(20 * time.Millisecond)))}
		if random.IntN(20) == 0 {
			all[i].Load = strings.Repeat("soak", stored/4+1)
		}
	}
	return all
}

func runJob(ctx context.Context, j job) (product, error) {
	noteJob("begin", j.ID)
	select {
	case <-time.After(j.Work):
	case <-ctx.Done():
		return product{}, ctx.Err()
	}
	noteJob("end", j.ID)
	switch fails(j.ID) {
	case failure:
		return product{}, fmt.Errorf("task %d: %w", j.ID, errUnlucky)
	case panicking:
		panic(fmt.Sprintf("task %d", j.ID))
	}
	return made(j.ID), nil
}

func (p product) String() string { return fmt.Sprintf("%d %x", p.ID, sha256.Sum256(p.Sum)) }

// undisturbed is how a job ends when nothing goes wrong.
func undisturbed(id int) ending {
	switch fails(id) {
	case failure:
		return ending{"function error", fmt.Sprint(false, fmt.Sprintf("task %d: unlucky number", id), true)}
	case panicking:
		return ending{"function error", fmt.Sprint(true, fmt.Sprintf("task %d", id), false)}
	}
	return endingOf(made(id), nil)
}

// noteJob notes what happens to a job, and when.
func noteJob(event string, id int) {
	if _, err := fmt.Fprintf(ledger(), "%s %d %d %d\n", event, id, time.Now().UnixNano(), os.Getpid()); err != nil {
		panic(err)
	}
}

// An execution is one of a job.
type execution struct {
	begun, ended time.Time // ended is zero for one that came to no end
	pid          int
}

// executionsOf reads from the ledger which jobs were executed when.
func executionsOf(t *testing.T, path string, n int) [][]execution {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	all := make([][]execution, n)
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var event string
		var id, pid int
		var nanos int64
		if _, err := fmt.Sscanf(lines.Text(), "%s %d %d %d", &event, &id, &nanos, &pid); err != nil || id < 0 || id >= n {
			t.Fatalf("the ledger has a line %q: %v", lines.Text(), err)
		}
		at := time.Unix(0, nanos)
		switch event {
		case "begin":
			all[id] = append(all[id], execution{begun: at, pid: pid})
		case "end":
			i := slices.IndexFunc(all[id], func(e execution) bool { return e.pid == pid && e.ended.IsZero() })
			if i < 0 {
				t.Fatalf("item %d ends without having begun", id)
			}
			all[id][i].ended = at
		}
	}
	return all
}
