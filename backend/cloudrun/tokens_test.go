package cloudrun

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lambdapool/lambdapool/driver"
)

// A mint makes tokens that last an hour, each in a second, unless it fails.
type mint struct {
	mu    sync.Mutex
	n     int
	fails error
	life  time.Duration
}

func (m *mint) make(ctx context.Context) (string, time.Time, error) {
	select {
	case <-time.After(time.Second):
	case <-ctx.Done():
		return "", time.Time{}, ctx.Err()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.n++
	return fmt.Sprint("token ", m.n), time.Now().Add(m.life), m.fails
}

func (m *mint) fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fails = err
}

func (m *mint) asked() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.n
}

// Tokens are renewed while calls go on with the last one; nobody waits but for the first.
func TestTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &mint{life: time.Hour}
		s := newTokens(m.make)
		defer s.Close()
		ask := func(renew bool, wantToken string, wantWait time.Duration) {
			t.Helper()
			began := time.Now()
			token, err := s.Token(t.Context(), renew)
			if took := time.Since(began); err != nil || token != wantToken || took != wantWait {
				t.Errorf("%q after %v, %v; want %q after %v", token, took, err, wantToken, wantWait)
			}
		}
		var first sync.WaitGroup
		for range 20 {
			first.Go(func() { ask(false, "token 1", time.Second) })
		}
		first.Wait()
		ask(true, "token 1", 0) // refused, but newer than what was sent then
		time.Sleep(54 * time.Minute)
		ask(false, "token 1", 0)
		time.Sleep(2 * time.Minute) // less than five minutes are left
		ask(false, "token 1", 0)    // and another one is made
		time.Sleep(2 * time.Second)
		ask(false, "token 2", 0)
		time.Sleep(30 * time.Minute)
		ask(true, "token 3", time.Second)

		m.fail(errors.New("no network"))
		time.Sleep(56 * time.Minute)
		for range 3 { // renewals fail in the background, and are tried again in good time
			ask(false, "token 3", 0)
			ask(false, "token 3", 0)
			time.Sleep(10 * time.Second)
		}
		if n := m.asked(); n != 5 {
			t.Errorf("%d tokens were asked for, want 5: three, and two that failed within half a minute", n)
		}
		time.Sleep(4 * time.Minute) // the last one is no good any more
		if _, err := s.Token(t.Context(), false); err == nil || err.Error() != "no network" {
			t.Errorf("%v; want why there is no token", err)
		}
		m.fail(nil)
		ask(false, "token 7", time.Second)
	})
}

// A caller that gives up leaves the others their token; Close leaves nobody waiting.
func TestTokensEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &mint{life: time.Hour}
		s := newTokens(m.make)
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if _, err := s.Token(ctx, false); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v; want the context's", err)
		}
		if token, err := s.Token(t.Context(), false); err != nil || token != "token 1" || m.asked() != 1 {
			t.Errorf("%q, %v after %d", token, err, m.asked())
		}
		time.Sleep(2 * time.Hour)
		var waits sync.WaitGroup
		waits.Go(func() {
			if _, err := s.Token(t.Context(), false); !errors.Is(err, driver.ErrClosed) {
				t.Errorf("%v; want that it is closed", err)
			}
		})
		synctest.Wait()
		s.Close()
		waits.Wait()
		if _, err := s.Token(t.Context(), false); !errors.Is(err, driver.ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
	})
}

// A metadata server hands out its kept token again until shortly before its end: it is not asked without pause.
func TestTokensHandedOutAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &mint{life: 4 * time.Minute}
		s := newTokens(m.make)
		defer s.Close()
		for range 600 {
			if _, err := s.Token(t.Context(), false); err != nil {
				t.Fatal(err)
			}
			time.Sleep(100 * time.Millisecond)
		}
		if n := m.asked(); n > 6 {
			t.Errorf("asked %d times in a minute", n)
		}
	})
}
