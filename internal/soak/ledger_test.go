package soak_test

import (
	"bufio"
	"fmt"
	"os"
	"sync"
	"testing"
)

// ledgerVariable names, in an agent's environment, the file that it writes to.
const ledgerVariable = "SOAK_LEDGER"

// ledger is where this agent notes its executions. Each note is one write to
// a file opened for appending, so that the notes of agents that die in the
// next moment are whole, and those of others between them.
var ledger = sync.OnceValue(func() *os.File {
	f, err := os.OpenFile(os.Getenv(ledgerVariable), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		panic(err)
	}
	return f
})

func note(event string, id int) {
	if _, err := fmt.Fprintf(ledger(), "%s %d\n", event, id); err != nil {
		panic(err)
	}
}

// executions is what the ledger says of one call.
type executions struct{ begun, ended int }

func readLedger(t *testing.T, path string, n int) []executions {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	entries := make([]executions, n)
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		var event string
		var id int
		if _, err := fmt.Sscanf(lines.Text(), "%s %d", &event, &id); err != nil || id < 0 || id >= n {
			t.Fatalf("the ledger has a line %q: %v", lines.Text(), err)
		}
		switch event {
		case "begin":
			entries[id].begun++
		case "end":
			entries[id].ended++
		default:
			t.Fatalf("the ledger has a line %q", lines.Text())
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return entries
}
