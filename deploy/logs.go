package deploy

import (
	"cmp"
	"context"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
)

// Logs yields the log of a function, page by page, as CloudWatch Logs orders it: by time. What
// a function prints appears there some seconds later.
//
// Following, it looks for new entries every two polls, which is every two seconds by default:
// see [WithPoll]. It looks back ten seconds each time, since entries appear out of order, and
// yields none twice. It keeps the ids of what it has yielded in memory. It waits for a log that
// is not there yet, and ends without an error when ctx does.
//
// The logs of shards come as one; Stream then begins with the name of the shard, for all but the first.
//
// Without Follow it ends with the last entry. An error is yielded once, at the end. It matches
// [ErrNotFound] when the function was never called, [ErrInvalid] for a bad value.
func (c *Client) Logs(ctx context.Context, name string, q LogQuery) iter.Seq2[LogLine, error] {
	return func(yield func(LogLine, error) bool) {
		err := checkName(name)
		if err == nil && q.Since < 0 {
			err = invalid("since %v: must not be negative", q.Since)
		}
		if err == nil {
			err = c.readLogs(ctx, c.shardNames(ctx, name), q, yield)
		}
		if err != nil {
			if code(err) == notFound {
				err = &Error{Kind: ErrNotFound, Err: errorf("there is no log group %s", logGroup(name)), Hint: "it is made at the first call of the function"}
			}
			yield(LogLine{}, fail("logs", name, err))
		}
	}
}

// readLogs yields the logs of functions, together in the order of time.
func (c *Client) readLogs(ctx context.Context, names []string, q LogQuery, yield func(LogLine, error) bool) error {
	r := &logReader{c: c, q: q, seen: map[string]bool{}}
	for i, name := range names {
		l := &log{r: r, in: &cloudwatchlogs.FilterLogEventsInput{LogGroupName: aws.String(logGroup(name))}}
		switch {
		case q.Filter != "":
			l.in.FilterPattern = aws.String(q.Filter)
		case q.RequestID != "":
			l.in.FilterPattern = aws.String(`"` + strings.ReplaceAll(q.RequestID, `"`, "") + `"`)
		case ofFunction(&q): // that it is the field, wants makes sure
			l.in.FilterPattern = aws.String(`"lambdapool" "` + strings.ReplaceAll(cmp.Or(q.Run, "item"), `"`, "") + `"`)
		}
		if q.Since > 0 {
			l.in.StartTime = aws.Int64(time.Now().Add(-q.Since).UnixMilli())
		}
		if i > 0 {
			l.shard = name + "/"
		}
		r.logs = append(r.logs, l)
	}
	return r.read(ctx, yield)
}

// A logReader reads the same logs again and again, and tells what is new.
type logReader struct {
	c    *Client
	q    LogQuery
	logs []*log          // of the function, and of its shards
	seen map[string]bool // ids of the entries that were told
}

// A log is one of them.
type log struct {
	r      *logReader
	in     *cloudwatchlogs.FilterLogEventsInput
	shard  string // before the names of its streams
	newest int64  // ms
}

// overlap is how far back entries may still appear: CloudWatch Logs does not
// show them in the order in which they were written.
const overlap = 10 * time.Second

func (r *logReader) read(ctx context.Context, yield func(LogLine, error) bool) error {
	for {
		more, err := r.look(ctx, yield)
		if r.q.Follow && (ctx.Err() != nil || code(err) == notFound) {
			err = nil // interrupted, or not there yet
		}
		if err != nil || !more || !r.q.Follow || ctx.Err() != nil {
			return cause(ctx, err)
		}
		for _, l := range r.logs {
			if l.newest > 0 {
				l.in.StartTime = aws.Int64(l.newest - overlap.Milliseconds())
			}
		}
		if sleep(ctx, 2*r.c.poll) != nil {
			return nil //nolint:nilerr // the end of ctx is how following ends
		}
	}
}

// look yields the new entries of all logs, the oldest first. It says false when yield did. A log that is not there is an
// error if none is: some shards may never have been called.
func (r *logReader) look(ctx context.Context, yield func(LogLine, error) bool) (bool, error) {
	type head struct {
		line LogLine
		next func() (LogLine, error, bool)
	}
	var heads []*head
	var missing error
	absent := 0
	advance := func(h *head) (ok bool, _ error) {
		line, err, ok := h.next()
		h.line = line
		if code(err) == notFound {
			missing = err
			absent++
			return false, nil
		}
		return ok, err
	}
	for _, l := range r.logs {
		next, stop := iter.Pull2(l.pages(ctx))
		defer stop()
		h := &head{next: next}
		ok, err := advance(h)
		if err != nil {
			return true, err
		}
		if ok {
			heads = append(heads, h)
		}
	}
	if absent == len(r.logs) {
		return true, missing
	}
	for len(heads) > 0 {
		first := 0
		for i, h := range heads {
			if h.line.Time.Before(heads[first].line.Time) {
				first = i
			}
		}
		if !yield(heads[first].line, nil) {
			return false, nil
		}
		ok, err := advance(heads[first])
		if err != nil {
			return true, err
		}
		if !ok {
			heads = slices.Delete(heads, first, first+1)
		}
	}
	return true, nil
}

// pages yields the new entries of one look, or at the end an error.
func (l *log) pages(ctx context.Context) iter.Seq2[LogLine, error] {
	return func(yield func(LogLine, error) bool) {
		in, r := *l.in, l.r
		for pages := cloudwatchlogs.NewFilterLogEventsPaginator(r.c.logs, &in); pages.HasMorePages(); {
			page, err := pages.NextPage(ctx)
			if err != nil {
				yield(LogLine{}, err)
				return
			}
			for _, e := range page.Events {
				id := aws.ToString(e.EventId)
				if r.q.Follow && id != "" {
					if r.seen[id] {
						continue
					}
					r.seen[id] = true
				}
				l.newest = max(l.newest, aws.ToInt64(e.Timestamp))
				text := strings.TrimRight(aws.ToString(e.Message), "\r\n")
				if (r.q.Filter != "" || ofFunction(&r.q)) && !strings.Contains(text, r.q.RequestID) || !wants(&r.q, text) {
					continue
				}
				line := LogLine{Time: time.UnixMilli(aws.ToInt64(e.Timestamp)).UTC(), Stream: l.shard + aws.ToString(e.LogStreamName), Text: text}
				if !yield(line, nil) {
					return
				}
			}
		}
	}
}

// shardNames are those of a function and its shards. Who may not look, or looks for the log of a function that is gone, reads
// the log of that name.
func (c *Client) shardNames(ctx context.Context, name string) []string {
	f, err := c.get(ctx, name, "")
	if err != nil || f.shard > 0 {
		return []string{name}
	}
	return f.names()
}
