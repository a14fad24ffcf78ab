package deploy

import (
	"context"
	"iter"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
)

// A LogLine is an entry of a function's log.
type LogLine struct {
	Time   time.Time `json:"time"`
	Stream string    `json:"stream"` // one for each environment of the function
	Text   string    `json:"text"`
}

// LogQuery says which entries are wanted.
type LogQuery struct {
	Since     time.Duration // how far back; 0: all there is
	RequestID string        // entries that name this invocation
	Filter    string        // in the filter pattern syntax of CloudWatch Logs
	Follow    bool          // go on with what is added, until ctx ends
}

// Logs yields the log of a function in the order of time. Following, it looks for
// new entries every two seconds and ends without an error when ctx does.
func (c *Client) Logs(ctx context.Context, name string, q LogQuery) iter.Seq2[LogLine, error] {
	return func(yield func(LogLine, error) bool) {
		err := checkName(name)
		if err == nil && q.Since < 0 {
			err = invalid("since %v: must not be negative", q.Since)
		}
		if err == nil {
			r := &logReader{c: c, q: q, seen: map[string]bool{}}
			r.in = &cloudwatchlogs.FilterLogEventsInput{LogGroupName: aws.String(logGroup(name))}
			err = r.read(ctx, yield)
		}
		if err != nil {
			if code(err) == notFound {
				err = &Error{Kind: ErrNotFound, Err: errorf("there is no log group %s", logGroup(name)), Hint: "it is made at the first call of the function"}
			}
			yield(LogLine{}, fail("logs", name, err))
		}
	}
}

// A logReader reads the same log again and again, and tells what is new.
type logReader struct {
	c      *Client
	q      LogQuery
	in     *cloudwatchlogs.FilterLogEventsInput
	seen   map[string]bool // ids of the entries that were told
	newest int64           // ms
}

// overlap is how far back entries may still appear: CloudWatch Logs does not
// show them in the order in which they were written.
const overlap = 10 * time.Second

func (r *logReader) read(ctx context.Context, yield func(LogLine, error) bool) error {
	switch {
	case r.q.Filter != "":
		r.in.FilterPattern = aws.String(r.q.Filter)
	case r.q.RequestID != "":
		r.in.FilterPattern = aws.String(`"` + strings.ReplaceAll(r.q.RequestID, `"`, "") + `"`)
	}
	if r.q.Since > 0 {
		r.in.StartTime = aws.Int64(time.Now().Add(-r.q.Since).UnixMilli())
	}
	for {
		more, err := r.pages(ctx, yield)
		if r.q.Follow && (ctx.Err() != nil || code(err) == notFound) {
			err = nil // interrupted, or not there yet
		}
		if err != nil || !more || !r.q.Follow || ctx.Err() != nil {
			return cause(ctx, err)
		}
		if r.newest > 0 {
			r.in.StartTime = aws.Int64(r.newest - overlap.Milliseconds())
		}
		if sleep(ctx, 2*r.c.poll) != nil {
			return nil //nolint:nilerr // the end of ctx is how following ends
		}
	}
}

// pages yields the new entries of one look. It says false when yield did.
func (r *logReader) pages(ctx context.Context, yield func(LogLine, error) bool) (bool, error) {
	in := *r.in
	for pages := cloudwatchlogs.NewFilterLogEventsPaginator(r.c.logs, &in); pages.HasMorePages(); {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return true, err
		}
		for _, e := range page.Events {
			id := aws.ToString(e.EventId)
			if r.q.Follow && id != "" {
				if r.seen[id] {
					continue
				}
				r.seen[id] = true
			}
			r.newest = max(r.newest, aws.ToInt64(e.Timestamp))
			text := strings.TrimRight(aws.ToString(e.Message), "\r\n")
			if r.q.Filter != "" && !strings.Contains(text, r.q.RequestID) {
				continue
			}
			line := LogLine{Time: time.UnixMilli(aws.ToInt64(e.Timestamp)).UTC(), Stream: aws.ToString(e.LogStreamName), Text: text}
			if !yield(line, nil) {
				return false, nil
			}
		}
	}
	return true, nil
}
