package mapreduce

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/driver"
	"github.com/lambdapool/lambdapool/internal/detached"
	"github.com/lambdapool/lambdapool/splits"
)

// root is what the keys of all objects of all runs begin with.
const root = "mapreduce/"

// clearing is how long a run tries to delete what it has stored, after its end.
const clearing = time.Minute

// detachedLife is for how long links of detached runs are asked for. It is what S3 and Google can make at most: a run that may take
// longer than they last is refused when it is sent.
const detachedLife = 7 * 24 * time.Hour

// A space is where a run's objects are.
type space struct {
	store  driver.Store
	prefix string
	life   time.Duration // of links
	keeps  bool          // after a failure
	logger *slog.Logger

	calls int // that have got an outlet
	form  signed
	links map[string]signed
}

// A signed is a link that is used again until half of its life is over: then it is made anew.
type signed struct {
	link  driver.Link
	until time.Time
}

// newSpace returns the one of a run of a job.
func newSpace(pool *lambdapool.Executor, c *config) (*space, error) {
	store, err := storeOf(pool)
	if err != nil {
		return nil, err
	}
	s := &space{store: store, life: splits.LinkLife, keeps: c.name != "", logger: c.logger, links: map[string]signed{}}
	name := c.name
	if name == "" {
		name = "run-" + rand.Text()
	}
	s.prefix = root + name + "/"
	if c.detached {
		s.prefix, s.life = detached.PiecesPrefix(name), detachedLife
	}
	return s, nil
}

var errNoPool = errors.New("mapreduce: the executor is nil: make one with lambdapool.New")

func storeOf(pool *lambdapool.Executor) (driver.Store, error) {
	switch {
	case pool == nil:
		return nil, errNoPool
	case pool.Store() == nil:
		return nil, errors.New("mapreduce: the backend has no object store: name one, as with awslambda.WithBucket")
	}
	return pool.Store(), nil
}

// sign returns was, or what link makes if too little of that is left.
func (s *space) sign(was signed, link func() (driver.Link, error)) (signed, error) {
	now := time.Now()
	if was.link.URL != "" && now.Before(was.until) {
		return was, nil
	}
	fresh, err := link()
	life := s.life
	if !fresh.Expires.IsZero() {
		life = min(life, fresh.Expires.Sub(now))
	}
	return signed{fresh, now.Add(life / 2)}, err
}

// outlet returns where the next call may store what it has. One goroutine at a time asks.
func (s *space) outlet(ctx context.Context) (o outlet, err error) {
	call := s.calls
	s.calls++
	if s.form, err = s.sign(s.form, func() (driver.Link, error) { return s.store.LinkUnder(ctx, s.prefix, s.life) }); err == nil {
		return outlet{Form: s.form.link}, nil
	}
	if !errors.Is(err, errors.ErrUnsupported) {
		return o, fmt.Errorf("mapreduce: sign a form for objects below %s: %w", s.prefix, err)
	}
	// The names are the same each time: a run that goes on has the arguments that it had.
	for i := range perCall {
		name := fmt.Sprintf("%d-%d", call, i)
		link, err := s.store.LinkCreate(ctx, s.prefix+name, s.life)
		if err != nil {
			return o, fmt.Errorf("mapreduce: sign a link to store %s: %w", s.prefix+name, err)
		}
		o.Links = append(o.Links, namedLink{name, link})
	}
	return o, nil
}

// split returns the bytes [from, to) of an object of size bytes.
func (s *space) split(ctx context.Context, name string, from, to, size int64) (splits.Split, error) {
	key := s.prefix + name
	link, err := s.sign(s.links[name], func() (driver.Link, error) { return s.store.LinkGet(ctx, key, s.life) })
	if err != nil {
		return splits.Split{}, fmt.Errorf("mapreduce: sign a link to %s: %w", key, err)
	}
	s.links[name] = link
	return splits.Split{Name: key, From: from, To: to, Size: size, Link: link.link}, nil
}

// clear deletes what the run has stored: all of it when it has ended well, also what attempts have left that do not
// count. Of a run that may go on it deletes nothing before.
func (s *space) clear(ctx context.Context, well bool) {
	if !well && s.keeps {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), clearing)
	defer cancel()
	if err := s.deleteAll(ctx); err != nil {
		s.logger.Warn("mapreduce: what the run has stored is still there", "prefix", s.prefix, "err", err)
	}
}

func (s *space) deleteAll(ctx context.Context) error {
	after := ""
	for {
		list, err := s.store.List(ctx, s.prefix, after)
		if err != nil || len(list.Objects) == 0 {
			return err
		}
		keys := make([]string, len(list.Objects))
		for i, o := range list.Objects {
			keys[i], after = o.Key, o.Key
		}
		if err := s.store.Delete(ctx, keys...); err != nil || !list.More {
			return err
		}
	}
}
