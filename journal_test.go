package lambdapool_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/inproc"
)

// memory is a journal in memory. It outlives runs as a file outlives processes.
type memory struct {
	mu      sync.Mutex
	entries map[int]lambdapool.JournalEntry
	runs    int
	commits int
	closes  int
	room    int // entries that it takes; 0: any number
	opening error
	reading error
}

func (m *memory) Open(lambdapool.JournalRun) (lambdapool.JournalLog, error) {
	m.runs++
	if m.entries == nil {
		m.entries = map[int]lambdapool.JournalEntry{}
	}
	return m, m.opening
}

func (m *memory) Next(index int) (lambdapool.JournalEntry, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := index; i <= m.last() && m.reading == nil; i++ {
		if entry, ok := m.entries[i]; ok {
			return entry, true, nil
		}
	}
	return lambdapool.JournalEntry{}, false, m.reading
}

func (m *memory) last() int {
	last := -1
	for i := range m.entries {
		last = max(last, i)
	}
	return last
}

func (m *memory) Commit(groups [][]lambdapool.JournalEntry) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.commits++
	for _, group := range groups {
		for _, entry := range group {
			if m.room > 0 && len(m.entries) >= m.room {
				return syscall.ENOSPC
			}
			m.entries[entry.Index] = entry
		}
	}
	return nil
}

func (m *memory) Close() error {
	m.closes++
	return nil
}

// recorded reports whether an item is in the journal.
func (m *memory) recorded(index int) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, ok := m.entries[index]
	return ok
}

// A run whose results cannot be recorded stops, and delivers none of them.
func TestAJournalThatIsFull(t *testing.T) {
	for _, name := range []string{"stream", "unordered", "an endless input"} {
		t.Run(name, func(t *testing.T) {
			e, j := pool(t, lambdapool.WithWorkers(4)), &memory{room: 50}
			opts := []lambdapool.MapOption{lambdapool.Journaled(j), lambdapool.ContinueOnError(), lambdapool.ChunkSize(3), lambdapool.Window(30)}
			input := func(yield func(int) bool) {
				for i := 0; i < 500 || name == "an endless input"; i++ {
					if !yield(i) {
						return
					}
				}
			}
			results := lambdapool.StreamUnordered(t.Context(), e, double, input, opts...)
			if name == "stream" {
				results = func(yield func(lambdapool.Result[int]) bool) {
					index := 0
					for v, err := range lambdapool.Stream(t.Context(), e, double, input, opts...) {
						if !yield(lambdapool.Result[int]{Index: index, Value: v, Err: err}) {
							return
						}
						index++
					}
				}
			}
			var failed error
			for r := range results {
				if r.Err == nil && !j.recorded(r.Index) {
					t.Errorf("item %d is delivered and not recorded", r.Index)
				}
				if r.Err != nil {
					failed = r.Err
				}
			}
			wantErr(t, failed, lambdapool.ErrJournal, syscall.ENOSPC)
			if !strings.Contains(failed.Error(), "record test.double: journal: no space left on device (put that right and run again") {
				t.Errorf("the error is %v", failed)
			}
			j.room = 0
			executed := e.Stats().Submitted
			values, err := lambdapool.Map(t.Context(), e, double, upTo(500), lambdapool.Journaled(j))
			if err != nil || len(values) != 500 {
				t.Fatalf("%d values: %v", len(values), err)
			}
			if n := e.Stats().Submitted - executed; n != 450 {
				t.Errorf("%d items were run after 50 had been recorded", n)
			}
			if j.closes != j.runs {
				t.Errorf("%d of %d logs are closed", j.closes, j.runs)
			}
		})
	}
}

// What is recorded of an error is what there is to know of it.
func TestFinalErrors(t *testing.T) {
	ran := func(kind error) *lambdapool.InvokeError {
		return &lambdapool.InvokeError{Outcome: lambdapool.OutcomeRan, Kind: kind, Err: errors.New("the cause"), RequestID: "r-1", Hint: "a hint", LogTail: "the log", Permanent: true}
	}
	for _, test := range []struct {
		name  string
		fn    *lambdapool.Func[int, int]
		arg   int
		err   error
		final bool
		is    error
	}{
		{name: "a sentinel", fn: half, arg: -1, final: true, is: errNegative},
		{name: "a panic", fn: half, arg: 3, final: true},
		{name: "killed for memory", fn: double, err: ran(lambdapool.ErrOutOfMemory), final: true, is: lambdapool.ErrOutOfMemory},
		{name: "a crash", fn: double, err: ran(lambdapool.ErrAgentCrashed), final: true, is: lambdapool.ErrAgentCrashed},
		{name: "unknown", fn: double, err: errors.New("connection reset"), final: true, is: lambdapool.ErrUnknownOutcome},
		{name: "a crash of an idempotent function", fn: again, err: ran(lambdapool.ErrAgentCrashed), is: lambdapool.ErrAgentCrashed},
		{name: "time is up", fn: double, err: ran(lambdapool.ErrTimeout), is: lambdapool.ErrTimeout},
		{name: "not run", fn: double, err: &lambdapool.InvokeError{Outcome: lambdapool.OutcomeNotRun, Kind: lambdapool.ErrAccessDenied, Err: errors.New("no"), Permanent: true}, is: lambdapool.ErrAccessDenied},
		{name: "a context", fn: double, err: ran(context.Canceled), is: context.Canceled},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := &scripted{Backend: inproc.New()}
			if test.err != nil {
				b.script = slices.Repeat([]step{answer(test.err)}, 10)
			}
			e, j := executor(t, b, lambdapool.WithRetry(lambdapool.RetryPolicy{MaxAttempts: 1})), &memory{}
			run := func() error {
				_, err := lambdapool.Map(t.Context(), e, test.fn, []int{test.arg}, lambdapool.Journaled(j))
				return err
			}
			first := run()
			if test.is != nil {
				wantErr(t, first, test.is)
			}
			if len(j.entries) > 0 != test.final {
				t.Fatalf("final %t, want %t: %v", !test.final, test.final, first)
			}
			if !test.final {
				return
			}
			attempts := b.attempts()
			second := run()
			if b.attempts() != attempts {
				t.Error("the item is run again")
			}
			if test.is != nil {
				wantErr(t, second, test.is)
			}
			if diff := cmp.Diff(details(first), details(second)); diff != "" {
				t.Errorf("(-first +second):\n%s", diff)
			}
		})
	}
}

// details is all that an error tells.
func details(err error) string {
	var function *lambdapool.FunctionError
	if errors.As(err, &function) {
		return fmt.Sprintf("%v %+v %q %v", err, function, function.Stack, function.Panic)
	}
	var pool *lambdapool.PoolError
	if errors.As(err, &pool) {
		return fmt.Sprintf("%v op %s outcome %v attempts %d request %s hint %q log %q", err, pool.Op, pool.Outcome, pool.Attempts, pool.RequestID, pool.Hint, pool.LogTail)
	}
	return err.Error()
}

func TestAJournalThatCannotBeUsed(t *testing.T) {
	e, cause := pool(t), errors.New("the cause")
	for name, test := range map[string]struct {
		opts []lambdapool.MapOption
		kind error
	}{
		"nil":     {[]lambdapool.MapOption{lambdapool.Journaled(nil)}, lambdapool.ErrBadArguments},
		"two":     {[]lambdapool.MapOption{lambdapool.Journaled(&memory{}), lambdapool.Journaled(&memory{})}, lambdapool.ErrBadArguments},
		"opening": {[]lambdapool.MapOption{lambdapool.Journaled(&memory{opening: cause})}, lambdapool.ErrJournal},
		"reading": {[]lambdapool.MapOption{lambdapool.Journaled(&memory{reading: cause}), lambdapool.ContinueOnError()}, lambdapool.ErrJournal},
	} {
		_, err := lambdapool.Map(t.Context(), e, double, []int{1, 2, 3}, test.opts...)
		wantErr(t, err, test.kind)
		if test.kind == lambdapool.ErrJournal && !errors.Is(err, cause) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := e.Stats().Submitted; n != 0 {
		t.Errorf("%d items were run", n)
	}
}

// What ends while a commit lasts is recorded by the next one, however long that is.
func TestGroupCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, j := pool(t, lambdapool.WithWorkers(8)), &slowCommits{}
		results, err := lambdapool.Map(t.Context(), e, double, upTo(300), lambdapool.Journaled(j), lambdapool.ChunkSize(1), lambdapool.Window(300))
		if err != nil || len(results) != 300 {
			t.Fatalf("%d results: %v", len(results), err)
		}
		if j.commits > 2 {
			t.Errorf("%d commits", j.commits)
		}
	})
}

// slowCommits is a journal whose commits take a second.
type slowCommits struct{ memory }

func (s *slowCommits) Open(run lambdapool.JournalRun) (lambdapool.JournalLog, error) {
	_, err := s.memory.Open(run)
	return s, err
}

func (s *slowCommits) Commit(groups [][]lambdapool.JournalEntry) error {
	<-time.After(time.Second)
	return s.memory.Commit(groups)
}
