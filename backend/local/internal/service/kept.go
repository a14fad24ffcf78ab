package service

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lambdapool/lambdapool/backend/local/internal/keep"
	"github.com/lambdapool/lambdapool/backend/local/internal/wire"
)

// QueueDir is where the events of all functions are kept, in the directory that outlives the
// process.
const QueueDir = "queue"

// A KeptEvent is one that an earlier process has accepted, and that has not ended.
type KeptEvent struct {
	Payload []byte // may be changed until it is restored

	head   head
	ticket *ticket
}

// Function names what was invoked, with the version that it was then.
func (k *KeptEvent) Function() wire.FunctionID {
	return wire.FunctionID{Region: k.head.Region, Account: wire.Account, Name: k.head.Function, Qualifier: k.head.Version}
}

// ID is that of its invocation.
func (k *KeptEvent) ID() string { return k.head.ID }

// Drop forgets it.
func (k *KeptEvent) Drop() error { return k.ticket.remove() }

// A head is that of an event's file, before its payload.
type head struct {
	Region        string          `json:"region"`
	Function      string          `json:"function"`
	Version       string          `json:"version"`
	ID            string          `json:"id"`
	Arn           string          `json:"arn"`
	ClientContext string          `json:"clientContext,omitempty"`
	TraceID       string          `json:"traceId"`
	Age           time.Duration   `json:"age"`
	Delays        []time.Duration `json:"delays"`
}

// A ticket is an event's place in the directory. Its name says when the event was accepted, how
// often it has run in vain, and when it is due: what changes is changed by a new name. A nil
// ticket has no place.
type ticket struct {
	keep     *keep.Dir
	accepted time.Time
	copy     string // tells apart what was accepted at the same time
	tries    int
	due      time.Time
}

func (t *ticket) path() string {
	return filepath.Join(QueueDir, fmt.Sprintf("%020d.%s.%d.%d", t.accepted.UnixNano(), t.copy, t.tries, t.due.UnixNano()))
}

// keepEvent writes an event down, so that it is not lost with this process.
func keepEvent(k *keep.Dir, fn *Function, ev *event) error {
	if k == nil {
		return nil
	}
	inv := ev.inv
	first, err := json.Marshal(head{
		Region: fn.cfg.Region, Function: fn.cfg.Name, Version: fn.cfg.Version, ID: inv.ID, Arn: inv.ARN,
		ClientContext: inv.ClientContext, TraceID: inv.TraceID, Age: ev.Age, Delays: ev.Delays,
	})
	if err != nil {
		panic(err) // its shape always marshals
	}
	t := &ticket{keep: k, accepted: ev.accepted, copy: wire.RandomHex(8), due: ev.accepted}
	if err := k.Write(t.path(), append(append(first, '\n'), inv.Payload...)); err != nil {
		return err
	}
	ev.ticket = t
	return nil
}

// again notes that the event has run in vain, and when it is due.
func (t *ticket) again(tries int, due time.Time) error {
	if t == nil {
		return nil
	}
	old := t.keep.Path(t.path())
	t.tries, t.due = tries, due
	return os.Rename(old, t.keep.Path(t.path()))
}

// remove forgets the event.
func (t *ticket) remove() error {
	if t == nil {
		return nil
	}
	return os.Remove(t.keep.Path(t.path()))
}

// KeptEvents returns what is kept, in the order in which it was accepted. A file that cannot be
// read is an error, and stays; all others are returned.
func KeptEvents(k *keep.Dir) (all []*KeptEvent, err error) {
	files, err := os.ReadDir(k.Path(QueueDir)) // sorted by name
	for _, f := range files {
		e, bad := readEvent(k, f)
		if bad != nil {
			err = errors.Join(err, fmt.Errorf("%s: %w", filepath.Join(k.Path(QueueDir), f.Name()), bad))
			continue
		}
		all = append(all, e)
	}
	return all, err
}

func readEvent(k *keep.Dir, f fs.DirEntry) (*KeptEvent, error) {
	t, err := readTicket(k, f.Name())
	if err != nil {
		return nil, err
	}
	data, err := os.ReadFile(k.Path(t.path()))
	if err != nil {
		return nil, err
	}
	first, payload, _ := bytes.Cut(data, []byte("\n"))
	e := &KeptEvent{Payload: slices.Clip(payload), ticket: t}
	if err := json.Unmarshal(first, &e.head); err != nil {
		return nil, err
	}
	return e, nil
}

func readTicket(k *keep.Dir, name string) (*ticket, error) {
	parts := strings.Split(name, ".")
	if len(parts) != 4 {
		return nil, errors.New("no event's name")
	}
	var numbers [3]int64
	for i, part := range []string{parts[0], parts[2], parts[3]} {
		n, err := strconv.ParseInt(part, 10, 64)
		if err != nil {
			return nil, err
		}
		numbers[i] = n
	}
	return &ticket{keep: k, accepted: time.Unix(0, numbers[0]), copy: parts[1], tries: int(numbers[1]), due: time.Unix(0, numbers[2])}, nil
}
