package payload

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lambdapool/lambdapool/driver"
)

// shelf is a store of which only deleting and listing is needed.
type shelf struct {
	driver.Store

	mu      sync.Mutex
	objects map[string]bool
	broken  bool
	deletes int
}

func (s *shelf) put(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.objects[key] = true
}

func (s *shelf) Delete(_ context.Context, keys ...string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.deletes++
	if s.broken || len(keys) > 1000 {
		return errors.New("no")
	}
	for _, key := range keys {
		delete(s.objects, key)
	}
	return nil
}

func (s *shelf) List(_ context.Context, prefix, after string) (page driver.Listing, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var keys []string
	for key := range s.objects {
		if strings.HasPrefix(key, prefix) && key > after {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	if page.More = len(keys) > 700; page.More {
		keys = keys[:700]
	}
	for _, key := range keys {
		page.Objects = append(page.Objects, driver.Object{Key: key})
	}
	return page, nil
}

func newKeys(s *shelf) *storedKeys {
	return &storedKeys{store: s, run: "run/", logger: slog.New(slog.DiscardHandler), needed: map[string]struct{}{}}
}

// held is how many keys are in memory.
func (k *storedKeys) held() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.needed) + len(k.done) + len(k.late)
}

// The keys of abandoned calls take bounded memory; what their agents store after all is deleted
// once nothing more can come, or at the end.
func TestKeysOfAbandonedCallsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{objects: map[string]bool{}}
		k := newKeys(s)
		abandon := func(i int) {
			key := fmt.Sprintf("run/%d.reply", i)
			k.need(key)
			k.dropLater(key, time.Hour)
			k.dropLater(key, time.Hour)
			s.put(key)
		}
		for i := range 5000 {
			abandon(i)
		}
		time.Sleep(time.Hour)
		abandon(5000)
		synctest.Wait()
		if n := k.held(); n != 1 || len(s.objects) != 1 {
			t.Errorf("an hour later %d keys are held and %d objects left, want the last", n, len(s.objects))
		}
		for i := range 5 * lateKeys {
			abandon(10_000 + i)
		}
		if n := k.held(); n > lateKeys {
			t.Errorf("%d keys are held, want %d at most", n, lateKeys)
		}
		s.put("other/object")
		k.close()
		if len(s.objects) != 1 || k.held() != 0 {
			t.Errorf("%d objects are left, %d keys are held", len(s.objects), k.held())
		}
	})
}

// What cannot be deleted is tried again when other calls come, and at the end.
func TestKeysAreDeletedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{objects: map[string]bool{}, broken: true}
		k := newKeys(s)
		store := func(i int) {
			key := fmt.Sprintf("run/%d", i)
			k.need(key)
			s.put(key)
			k.drop(key)
		}
		for i := range 2500 {
			store(i)
		}
		synctest.Wait()
		if n := k.held(); n != 2500 {
			t.Errorf("%d keys are held, want 2500", n)
		}
		s.mu.Lock()
		s.broken = false
		s.mu.Unlock()
		time.Sleep(deleteAgain)
		store(2500)
		synctest.Wait()
		if n := k.held(); n != 0 || len(s.objects) != 0 {
			t.Errorf("%d keys are held, %d objects left", n, len(s.objects))
		}
		k.need("run/nothing")
		k.forget("run/nothing")
		deletes := s.deletes
		k.close()
		if s.deletes != deletes {
			t.Error("close deleted what was forgotten")
		}
	})
}
