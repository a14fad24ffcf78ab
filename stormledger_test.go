package lambdapool_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"testing/synctest"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/codec"
)

// What a storm's platform has been asked for, and what it said, is held against what calls and
// runs say.

// A run is what is known of a job: what its function did, and what the platform said of it.
type run struct {
	times   int
	last    time.Time // when it last began
	already bool      // it is in a journal: it must not begin again

	sent     time.Time // when it was last given to the platform
	attempts int       // invocations that may have begun it
	spent    bool      // one has ended since of which nobody says that it has not
	saidRan  bool      // the platform has said that one ran
	account  *account  // of its run
	index    int       // in its run
}

// An account is that of a run of jobs.
type account struct {
	most, spent float64 // GB-seconds that it may cost and has cost, also where nobody has told the executor

	goesOn bool      // after an error
	failed int       // the first item that has failed
	since  time.Time // when the executor heard of that; zero: it has not
}

// open opens the account of a run.
func (s *storm) open(jobs []job, most float64, goesOn bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := &account{most: most, goesOn: goesOn}
	for i, j := range jobs {
		s.ran[j.ID].account, s.ran[j.ID].index = a, i
	}
}

// goesOn says that a run does not stop at its first error.
func (s *storm) goesOn(jobs []job) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, j := range jobs {
		s.ran[j.ID].account.goesOn = true
	}
}

// failed notes that the executor hears of the failure of a job. s.mu is held.
func (s *storm) failed(r *run) {
	a := r.account
	if a != nil && !a.goesOn && !s.retries && (a.since.IsZero() || r.index < a.failed) {
		a.failed, a.since = r.index, time.Now()
	}
}

// look returns what is known of a job.
func (s *storm) look(j job) run {
	s.mu.Lock()
	defer s.mu.Unlock()
	return *s.ran[j.ID]
}

var jobType = func() []*codec.Type {
	t, err := codec.TypeOf(reflect.TypeFor[job]())
	if err != nil {
		panic(err)
	}
	return []*codec.Type{t}
}()

// A sending is a request on its way.
type sending struct {
	request *codec.Request
	jobs    []int
}

// sending notes that the platform was given a request. What must not run twice must not be sent any more once
// nobody can say that it has not run.
func (s *storm) sending(req *lambdapool.Request) sending {
	request, err := codec.DecodeRequest(req.Payload)
	if err != nil {
		s.faultf("a request that cannot be read: %v", err)
		return sending{}
	}
	out := sending{request: request}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, item := range request.Items {
		var j job
		if err := codec.Unmarshal(item, jobType, []reflect.Value{reflect.ValueOf(&j).Elem()}); err != nil {
			s.faults = append(s.faults, err.Error())
			continue
		}
		r := s.ran[j.ID]
		r.sent = time.Now()
		r.attempts++
		if r.spent && request.Func == "once" && !s.retries {
			s.faults = append(s.faults, fmt.Sprintf("job %d may have run, is not idempotent, and was sent again", j.ID))
		}
		// A hook that sleeps may hold up what the executor has heard.
		if a := r.account; a != nil && !a.since.IsZero() && r.index > a.failed && r.sent.After(a.since) && !s.disturbed.After(a.since) {
			s.faults = append(s.faults, fmt.Sprintf("job %d was sent %v after the failure that ends its run", j.ID, r.sent.Sub(a.since)))
		}
		out.jobs = append(out.jobs, j.ID)
	}
	return out
}

// landed notes what the platform said of a request.
func (s *storm) landed(sent sending, response *lambdapool.Response, err error) {
	var said *lambdapool.InvokeError
	notRun := errors.As(err, &said) && said.Outcome == lambdapool.OutcomeNotRun
	fresh, failed := func(int) bool { return notRun }, func(int) bool { return false }
	if err == nil && response != nil {
		if reply, err := codec.DecodeReply(response.Payload); err == nil && reply.ID == sent.request.ID && len(reply.Items) == len(sent.jobs) {
			fresh = func(i int) bool {
				e := reply.Items[i].Err
				return e != nil && e.Kind == codec.KindNotBegun
			}
			failed = func(i int) bool {
				e := reply.Items[i].Err
				return e != nil && (e.Kind == codec.KindFunction || e.Kind == codec.KindPanic)
			}
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, id := range sent.jobs {
		r := s.ran[id]
		if i == 0 && !notRun && r.account != nil {
			r.account.spent += s.price.Seconds()
		}
		if fresh(i) {
			r.attempts--
			continue
		}
		if failed(i) && sent.request.Func == "once" { // of the others a duplicate may have decided
			s.failed(r)
		}
		r.spent = true
		r.saidRan = r.saidRan || said != nil && said.Outcome == lambdapool.OutcomeRan
	}
}

// partly runs the first items of a request, if any, and says of the others that they were not begun.
func (b *stormSky) partly(ctx context.Context, sent sending, req *lambdapool.Request) (*lambdapool.Response, error) {
	begun := b.s.below(len(sent.jobs))
	response, err := beginning(ctx, b.run, req, begun)
	if err == nil && begun == 0 {
		response.Billed, response.MemoryLimit = b.price, 1<<30
	}
	return response, err
}

// plainMap runs a Map, which stops at its first error unless its options say otherwise.
func (s *storm) plainMap(ctx context.Context, fn *lambdapool.Func[job, int], jobs []job, opts []lambdapool.MapOption, last *lambdapool.Snapshot) {
	values, err := lambdapool.Map(ctx, s.e, fn, jobs, opts...)
	ended := time.Now()
	if len(jobs) > 0 && (err == nil || s.look(jobs[0]).account.goesOn) {
		s.accountedFor(jobs, values, err)
	}
	s.over(jobs, ended, last)
}

// accountedFor checks that each item of a Map that went on after errors has a value or an error.
func (s *storm) accountedFor(jobs []job, values []int, err error) {
	failed := map[int]bool{}
	for item := range lambdapool.ItemErrors(err) {
		failed[item.Index] = true
	}
	if err != nil && len(failed) == 0 {
		return // it never began
	}
	for i, j := range jobs {
		switch {
		case failed[i]:
		case i >= len(values) || values[i] != 2*j.ID:
			s.faultf("item %d of %d has neither a value nor an error: %v", i, len(jobs), err)
			return
		}
	}
}

// audit holds what the executor has counted against itself.
func (s *storm) audit() {
	time.Sleep(time.Hour)
	synctest.Wait()
	stats := s.e.Stats()
	if stats.Running != 0 || stats.Queued != 0 || stats.Submitted != stats.Succeeded+stats.FunctionErrors+stats.PoolErrors {
		s.faultf("the counts do not add up: %+v", stats)
	}
	if kept := s.e.Kept(); len(kept) > 0 {
		s.faultf("a closed executor keeps %v", kept)
	}
}

// over checks that nothing of a run begins or is sent after its end, that it has kept to its budget, and
// that its last Snapshot is whole.
func (s *storm) over(jobs []job, ended time.Time, last *lambdapool.Snapshot) {
	time.Sleep(10 * time.Second)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, j := range jobs {
		r := s.ran[j.ID]
		if r.times > 0 && r.last.After(ended) {
			s.faults = append(s.faults, fmt.Sprintf("job %d began %v after its run had ended", j.ID, r.last.Sub(ended)))
		}
		if r.sent.After(ended) {
			s.faults = append(s.faults, fmt.Sprintf("job %d was sent %v after its run had ended", j.ID, r.sent.Sub(ended)))
		}
		if r.account.spent > r.account.most {
			s.faults = append(s.faults, fmt.Sprintf("a run that may cost %.6g GB-seconds has cost %.6g with what was not answered", r.account.most, r.account.spent))
			break
		}
	}
	if last.Final && (last.Running != 0 || last.Queued != 0) {
		s.faults = append(s.faults, fmt.Sprintf("the last Snapshot of a run is not of its end: %+v", *last))
	}
}

// judge holds the end of a call against what its function did.
func (s *storm) judge(j job, once bool, v int, err error) {
	times := s.times(j)
	var function *lambdapool.FunctionError
	var pool *lambdapool.PoolError
	switch {
	case err == nil:
		if v != 2*j.ID || times == 0 {
			s.faultf("job %d has the value %d after %d runs", j.ID, v, times)
		}
	case errors.As(err, &function):
		if times == 0 {
			s.faultf("job %d never ran: %v", j.ID, err)
		}
	case errors.As(err, &pool):
		r := s.look(j)
		if pool.Outcome == lambdapool.OutcomeNotRun && times > 0 {
			s.faultf("job %d ran %d times, and is said not to have run: %v", j.ID, times, err)
		}
		if pool.Outcome == lambdapool.OutcomeRan && times == 0 && !r.saidRan {
			s.faultf("job %d never began, and is said to have run: %v", j.ID, err)
		}
		onTheWay := 0 // a worker may have been about to send it when it was given up
		if pool.Outcome == lambdapool.OutcomeUnknown && (errors.Is(pool.Kind, lambdapool.ErrCanceled) || errors.Is(pool.Kind, lambdapool.ErrTimeout)) {
			onTheWay = 1
		}
		if pool.Attempts > r.attempts+onTheWay {
			s.faultf("job %d had %d attempts, and is said to have had %d: %v", j.ID, r.attempts, pool.Attempts, err)
		}
	default:
		s.faultf("job %d ended in neither of the two ways: %v", j.ID, err)
	}
	if once && times > 1 && !s.retries {
		s.faultf("job %d ran %d times, and is not idempotent: %v", j.ID, times, err)
	}
}
