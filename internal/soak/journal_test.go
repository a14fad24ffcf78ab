package soak_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/awslambda"
	"github.com/lambdapool/lambdapool/journal"
)

// journal maps with a journal, notes each item that is delivered, and reports when all are.
func (p *part) journal() error {
	if err := os.Setenv(ledgerVariable, p.Ledger); err != nil {
		return err
	}
	b, err := awslambda.New(context.Background(), "lambdapool", awslambda.WithRegion("us-east-1"), awslambda.WithEndpoint("http://"+p.Cloud),
		awslambda.WithStaticCredentials(keyID, secretKey, ""), awslambda.WithFunctionTimeout(functionTimeout))
	if err != nil {
		return err
	}
	e, err := lambdapool.New(b, lambdapool.WithWorkers(agents), lambdapool.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		return errors.Join(err, b.Close())
	}
	r, delivered := report{Endings: make([]ending, p.Items)}, 0
	for result := range lambdapool.StreamUnordered(context.Background(), e, detachedOnce, slices.Values(jobs(p.Seed, p.Items, p.Stored)),
		journal.WithJournal(p.Dir), lambdapool.ContinueOnError(), lambdapool.ChunkSize(p.Chunk)) {
		switch {
		case errors.As(result.Err, new(*lambdapool.PoolError)):
			return result.Err
		case r.Endings[result.Index].Kind != "":
			return fmt.Errorf("item %d is delivered twice", result.Index)
		}
		noteJob("got", result.Index)
		delivered++
		tell("got", delivered)
		r.Endings[result.Index] = endingOf(result.Value, result.Err)
	}
	return errors.Join(r.write(p.Out), e.Close(), b.Close())
}

// A program that is killed again and again ends with the results of one that is left alone, and
// nothing is executed again that was delivered.
func TestJournal(t *testing.T) {
	t.Parallel()
	n, most := *items, 15
	if n < long {
		most = 4
	}
	t.Logf("%d items, seed %d", n, *seed)
	random := rand.New(rand.NewPCG(*seed, 5))
	s := newStage(t, n)
	ledger := filepath.Join(s.logs, "ledger")
	if err := os.WriteFile(ledger, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	lambda := s.start(part{Play: "lambda", Address: "127.0.0.1:0", Ledger: ledger})
	address, err := lambda.hears()
	if err != nil {
		t.Fatal(err)
	}
	p := part{
		Play: "journal", Cloud: address, Ledger: ledger, Dir: t.TempDir(), Seed: *seed, Items: n, Stored: 1000,
		Chunk: []int{0, 1, 7}[random.IntN(3)], Out: filepath.Join(s.logs, "report"),
	}
	left := most
	kills, _, err := s.until(p, func() (string, time.Duration) {
		calm(ledger)
		if left--; left < 0 {
			return "", -1
		}
		return fmt.Sprint("got ", 1+random.IntN(n)), 0
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := lambda.leave(); err != nil {
		t.Errorf("the Lambda: %v", err)
	}
	var r report
	body, err := os.ReadFile(p.Out)
	if err == nil {
		err = json.Unmarshal(body, &r)
	}
	if err != nil {
		t.Fatal(err)
	}
	judgeJournal(t, r, deliveriesOf(t, ledger, n), executionsOf(t, ledger, n), kills)
}

func judgeJournal(t *testing.T, r report, delivered []time.Time, executions [][]execution, kills int) {
	t.Helper()
	wrong, times := 0, map[int]int{}
	for id, e := range r.Endings {
		text := ""
		times[len(executions[id])]++
		switch {
		case e != undisturbed(id):
			text = "it ended otherwise"
		case len(executions[id]) == 0:
			text = "it did not run"
		case len(executions[id]) > kills+1:
			text = "it ran too often"
		}
		for _, x := range executions[id] {
			if x.begun.After(delivered[id]) {
				text = fmt.Sprintf("it was begun after %v, when it was delivered", delivered[id])
			}
		}
		if text == "" {
			continue
		}
		if wrong++; wrong <= 20 {
			t.Errorf("item %d: %s: %v, want %v; executions %v", id, text, e, undisturbed(id), executions[id])
		}
	}
	if wrong > 20 {
		t.Errorf("and %d more", wrong-20)
	}
	t.Logf("%d kills; executions per item: %v", kills, times)
}

// calm waits until nothing is written to the ledger any more: agents go on with what a client
// has sent that was killed, and that tells nothing of the journal.
func calm(ledger string) {
	const silence = time.Second // longer than any job takes
	for size := int64(-1); ; pause(silence) {
		info, err := os.Stat(ledger)
		if err != nil || info.Size() == size {
			return
		}
		size = info.Size()
	}
}

// deliveriesOf reads from the ledger when each job was delivered first.
func deliveriesOf(t *testing.T, path string, n int) []time.Time {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	all := make([]time.Time, n)
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var id int
		var nanos int64
		if _, err := fmt.Sscanf(lines.Text(), "got %d %d", &id, &nanos); err == nil && all[id].IsZero() {
			all[id] = time.Unix(0, nanos)
		}
	}
	return all
}
