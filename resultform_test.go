package lambdapool_test

import (
	"bytes"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/inproc"
)

// One signature serves the results of many calls, in turn and at once. A store without
// forms signs for each, and is asked for a form once.
func TestResultsByOneForm(t *testing.T) {
	const calls = 50
	for name, tt := range map[string]struct {
		s            *testStore
		forms, links int
	}{
		"forms": {&testStore{}, 1, 0},
		"none":  {&testStore{form: noForms}, 1, calls},
	} {
		e := storePool(t, tt.s)
		var group sync.WaitGroup
		for i := range calls {
			group.Go(func() {
				want := noise(20_000 + i)
				if got, err := lambdapool.Call(t.Context(), e, mirror, want); err != nil || !bytes.Equal(got, want) {
					t.Errorf("%s: %d bytes come back, %v", name, len(got), err)
				}
			})
		}
		group.Wait()
		if tt.s.forms != tt.forms || tt.s.links != tt.links || tt.s.opens != calls {
			t.Errorf("%s: %d forms, %d links, %d results", name, tt.s.forms, tt.s.links, tt.s.opens)
		}
	}
}

// A form is renewed when too little is left of it for a call, and where that is always so
// each call gets the best there is.
func TestFormsAreRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ends := time.Now().Add(4 * time.Hour) // of the credentials
		s := &testStore{form: func(l lambdapool.Link) (lambdapool.Link, error) {
			if ends.Before(l.Expires) {
				l.Expires = ends
			}
			return l, nil
		}}
		b := inproc.New(inproc.WithStoreThreshold(storeThreshold))
		s.Store = b.Store()
		e, err := lambdapool.New(storing{b, s})
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		defer e.Close()
		// Forms live for 68 minutes, a call may take 17 of them.
		for _, step := range []struct {
			after time.Duration
			forms int
		}{
			{0, 1}, {50 * time.Minute, 1}, {2 * time.Minute, 2}, {51 * time.Minute, 2}, {time.Minute, 3},
			{51 * time.Minute, 3}, {time.Minute, 4}, {51 * time.Minute, 4}, {time.Minute, 5}, {15 * time.Minute, 5}, {time.Minute, 6}, {0, 7},
		} {
			time.Sleep(step.after)
			if _, err := lambdapool.Call(t.Context(), e, mirror, noise(20_000)); err != nil {
				t.Error(err)
			}
			if s.forms != step.forms {
				t.Errorf("%v later: %d forms, want %d", step.after, s.forms, step.forms)
			}
		}
	})
}
