package share_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/inproc"
	"github.com/lambdapool/lambdapool/backend/local"
	"github.com/lambdapool/lambdapool/share"
)

// put stores a value that no other test has, since all of a process have one cache.
func put(t *testing.T, s *shelf) share.Value[[]string] {
	t.Helper()
	v, err := share.Put(t.Context(), s.pool, []string{t.Name(), time.Now().String()})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// Each agent reads and decodes the value once, however many calls it runs.
func TestOncePerAgent(t *testing.T) {
	b, err := local.New(local.WithConcurrency(3))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	pool, err := lambdapool.New(b)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	rows := make([]string, 1000)
	for i := range rows {
		rows[i] = fmt.Sprintf("row %d of a table", i)
	}
	v, err := share.Put(t.Context(), pool, table{rows})
	if err != nil {
		t.Fatal(err)
	}
	questions := make([]question, len(rows))
	for i := range questions {
		questions[i] = question{v, i}
	}
	answers, err := lambdapool.Map(t.Context(), pool, ask, questions, lambdapool.ChunkSize(10))
	if err != nil {
		t.Fatal(err)
	}
	agents := map[int]bool{}
	for i, a := range answers {
		agents[a.Process] = true
		if a.Row != rows[i] || a.Decoded != 1 {
			t.Fatalf("answer %d: %+v", i, a)
		}
	}
	if len(agents) < 1 || len(agents) > 3 {
		t.Errorf("%d agents", len(agents))
	}
	t.Logf("%d agents", len(agents))
}

// On goroutines it is once as well, and the same value is stored once.
func TestInproc(t *testing.T) {
	b := inproc.New()
	defer b.Close()
	pool, err := lambdapool.New(b)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	before := decoded.Load()
	var questions []question
	for range 2 {
		v, err := share.Put(t.Context(), pool, table{[]string{"a", "b", t.Name()}})
		if err != nil {
			t.Fatal(err)
		}
		questions = append(questions, question{v, 0}, question{v, 1})
	}
	answers, err := lambdapool.Map(t.Context(), pool, ask, questions)
	if err != nil {
		t.Fatal(err)
	}
	if got := answers[0].Row + answers[1].Row + answers[2].Row + answers[3].Row; got != "abab" || decoded.Load() != before+1 {
		t.Errorf("%s, decoded %d times", got, decoded.Load()-before)
	}
	list, err := b.Store().List(t.Context(), "shared/", "")
	if err != nil || len(list.Objects) != 1 {
		t.Errorf("stored: %+v, %v", list.Objects, err)
	}
	if err := share.Delete(t.Context(), pool, questions[0].Table, questions[2].Table); err != nil {
		t.Error(err)
	}
	if list, err = b.Store().List(t.Context(), "shared/", ""); err != nil || len(list.Objects) != 0 {
		t.Errorf("left: %+v, %v", list.Objects, err)
	}
}

// Those who ask while one loads wait for it, no longer than their context, and the store is asked once.
func TestSingleFlight(t *testing.T) {
	s := newShelf(t)
	s.gate = make(chan struct{})
	v := put(t, s)
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if got, err := v.Get(t.Context()); err != nil || got[0] != t.Name() {
				t.Errorf("%v, %v", got, err)
			}
		})
	}
	for s.reads.Load() == 0 { // one has begun to load
		time.Sleep(time.Millisecond)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := v.Get(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("of a context that has ended: %v", err)
	}
	close(s.gate)
	all.Wait()
	if n := s.reads.Load(); n != 1 {
		t.Errorf("the store was asked %d times", n)
	}
}

// When the one that loads gives up, another one loads.
func TestTheLoaderGivesUp(t *testing.T) {
	s := newShelf(t)
	s.gate = make(chan struct{})
	v := put(t, s)
	ctx, giveUp := context.WithCancel(t.Context())
	var all sync.WaitGroup
	all.Go(func() {
		if _, err := v.Get(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("who gave up: %v", err)
		}
	})
	for s.reads.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	all.Go(func() {
		if got, err := v.Get(t.Context()); err != nil || got[0] != t.Name() {
			t.Errorf("who went on: %v, %v", got, err)
		}
	})
	giveUp()
	close(s.gate)
	all.Wait()
}

func TestWhatGoesWrong(t *testing.T) {
	s := newShelf(t)
	v := put(t, s)
	if text := v.String(); !strings.HasPrefix(text, "shared/") || strings.Contains(text, "http") {
		t.Errorf("it prints as %s", text)
	}
	if _, err := (share.Value[[]string]{}).Get(t.Context()); err == nil || !strings.Contains(err.Error(), "was not made by Put") {
		t.Errorf("the zero Value: %v", err)
	}
	other := share.Value[[]int](v)
	if _, err := other.Get(t.Context()); !errors.Is(err, share.ErrType) {
		t.Errorf("another type: %v", err)
	}
	s.broken.Store(true)
	if _, err := v.Get(t.Context()); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a link that is refused: %v", err)
	}
	s.broken.Store(false)
	s.mu.Lock()
	was := s.bodies[v.Where.Name]
	s.bodies[v.Where.Name] = []byte(strings.Repeat("x", len(was)))
	s.mu.Unlock()
	if _, err := v.Get(t.Context()); !errors.Is(err, share.ErrChanged) {
		t.Errorf("another object in its place: %v", err)
	}
	if err := share.Delete(t.Context(), s.pool, v); err != nil {
		t.Error(err)
	}
	if _, err := v.Get(t.Context()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("deleted: %v", err)
	}
	huge := v
	huge.Where.Size, huge.Where.To = 1<<40, 1<<40
	if _, err := huge.Get(t.Context()); !errors.Is(err, share.ErrChanged) {
		t.Errorf("a size that cannot be: %v", err)
	}
	if err := share.Delete(t.Context(), s.pool, share.Value[int]{}); err == nil {
		t.Error("the zero Value was deleted")
	}
	if _, err := share.Put(t.Context(), nil, 1); err == nil || !strings.Contains(err.Error(), "the executor is nil") {
		t.Errorf("no executor: %v", err)
	}
	bare, err := lambdapool.New(storeless{inproc.New()})
	if err != nil {
		t.Fatal(err)
	}
	defer bare.Close()
	if _, err := share.Put(t.Context(), bare, 1); err == nil || !strings.Contains(err.Error(), "WithBucket") {
		t.Errorf("no store: %v", err)
	}
	if _, err := share.Put(t.Context(), s.pool, make(chan int)); err == nil || !strings.Contains(err.Error(), "chan int") {
		t.Errorf("a channel: %v", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stored != 1 {
		t.Errorf("%d objects were stored", s.stored)
	}
}
