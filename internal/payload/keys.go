package payload

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/lambdapool/lambdapool/driver"
)

const (
	// lateKeys bounds the keys of objects that may yet come: a megabyte or so. Beyond it the
	// oldest are forgotten, and Close lists what there is.
	lateKeys = 10_000

	// deleteAgain is how long after a failure objects are deleted again.
	deleteAgain = time.Minute

	// deleteBatch is how many objects one request deletes at most: S3 takes a thousand.
	deleteBatch = 1000
)

// storedKeys are the keys at which objects of this executor may be, and sees to it that
// they are deleted. What it holds is bounded by what is in flight: the reply to a call that
// was abandoned may come long after, so its key waits until it cannot, and is deleted then. It
// is safe for concurrent use.
type storedKeys struct {
	store  driver.Store
	run    string // what all keys begin with
	logger *slog.Logger

	mu     sync.Mutex
	needed map[string]struct{} // of calls that have not ended
	done   []string            // to be deleted now
	late   []lateKey           // to be deleted when their time has come, in that order, nearly
	lost   int                 // forgotten before they were deleted
	sweep  chan struct{}       // closed when the sweeper ends; nil: none runs
}

// A lateKey is deleted at a time when nothing can be stored at it any more.
type lateKey struct {
	key string
	at  time.Time
}

// need notes a key at which an object may be from now on.
func (k *storedKeys) need(key string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.needed[key] = struct{}{}
	k.sweepUp()
}

// forget takes out a key at which nothing is.
func (k *storedKeys) forget(key string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.needed, key)
}

// drop has the object at key deleted.
func (k *storedKeys) drop(key string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.needed, key)
	k.done = append(k.done, key)
	k.sweepUp()
}

// dropLater has the object at key deleted after a while, when nothing can be stored there any
// more, if the key was needed until now.
func (k *storedKeys) dropLater(key string, after time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if _, ok := k.needed[key]; ok {
		delete(k.needed, key)
		k.postpone(after, key)
	}
}

// postpone queues keys to be deleted after a while. k.mu is held.
func (k *storedKeys) postpone(after time.Duration, keys ...string) {
	at := time.Now().Add(after)
	for _, key := range keys {
		k.late = append(k.late, lateKey{key, at})
	}
	if more := len(k.late) - lateKeys; more > 0 {
		k.lost += more
		clear(k.late[:more])
		k.late = k.late[more:]
	}
}

// sweepUp has what is due deleted, if nobody is at it. k.mu is held.
func (k *storedKeys) sweepUp() {
	if k.sweep == nil && (len(k.done) > 0 || len(k.late) > 0 && !k.late[0].at.After(time.Now())) {
		k.sweep = make(chan struct{})
		go k.sweeping(k.sweep)
	}
}

// sweeping deletes what is due until nothing is. What comes meanwhile goes in one request.
func (k *storedKeys) sweeping(ended chan struct{}) {
	defer close(ended)
	ctx, cancel := context.WithTimeout(context.Background(), Cleanup)
	defer cancel()
	for {
		k.mu.Lock()
		keys := k.due(time.Now())
		if len(keys) == 0 || ctx.Err() != nil {
			k.postpone(deleteAgain, keys...)
			k.sweep = nil
			k.mu.Unlock()
			return
		}
		k.mu.Unlock()
		k.delete(ctx, keys)
	}
}

// due takes out the keys that are to be deleted now. k.mu is held.
func (k *storedKeys) due(now time.Time) []string {
	n := min(len(k.done), deleteBatch)
	keys := k.done[:n:n]
	if k.done = k.done[n:]; len(k.done) == 0 {
		k.done = nil
	}
	for len(k.late) > 0 && len(keys) < deleteBatch && !k.late[0].at.After(now) {
		keys = append(keys, k.late[0].key)
		k.late[0] = lateKey{}
		k.late = k.late[1:]
	}
	return keys
}

// delete deletes the objects at keys, or has them deleted later.
func (k *storedKeys) delete(ctx context.Context, keys []string) {
	err := k.store.Delete(ctx, keys...)
	if err == nil {
		return
	}
	k.logger.Debug("lambdapool: delete stored payloads", "objects", len(keys), "error", err)
	k.mu.Lock()
	defer k.mu.Unlock()
	k.postpone(deleteAgain, keys...)
}

// close deletes everything that may be in the store. Nothing is in flight any more. It
// blocks for storeCleanup at most, beside a request that is under way.
func (k *storedKeys) close() {
	k.mu.Lock()
	sweep := k.sweep
	k.mu.Unlock()
	if sweep != nil {
		<-sweep
	}
	ctx, cancel := context.WithTimeout(context.Background(), Cleanup)
	defer cancel()
	k.mu.Lock()
	keys := k.done
	for key := range k.needed {
		keys = append(keys, key)
	}
	for _, late := range k.late {
		keys = append(keys, late.key)
	}
	lost := k.lost
	clear(k.needed)
	k.done, k.late, k.lost = nil, nil, 0
	k.mu.Unlock()
	for len(keys) > 0 {
		n := min(len(keys), deleteBatch)
		k.delete(ctx, keys[:n])
		keys = keys[n:]
	}
	if lost > 0 && k.deleteAll(ctx) {
		lost = 0
	}
	k.mu.Lock() // an executor may be closed twice at once
	left := len(k.late) + k.lost + lost
	k.mu.Unlock()
	if left > 0 {
		k.logger.Warn("lambdapool: stored payloads may remain; a lifecycle rule removes them", "objects", left, "run", k.run)
	}
}

// deleteAll deletes whatever a listing finds, and reports whether that is all there was.
func (k *storedKeys) deleteAll(ctx context.Context) bool {
	after := ""
	for {
		page, err := k.store.List(ctx, k.run, after)
		if err != nil {
			return false
		}
		var keys []string
		for _, object := range page.Objects {
			keys = append(keys, object.Key)
			after = object.Key
		}
		if len(keys) > 0 && k.store.Delete(ctx, keys...) != nil {
			return false
		}
		if !page.More {
			return true
		}
	}
}
