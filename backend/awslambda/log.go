package awslambda

import (
	"context"
	"log/slog"
	"time"

	"github.com/lambdapool/lambdapool/driver"
)

// record logs one attempt: what it was and how it ended, nothing of what it said.
func (b *Backend) record(ctx context.Context, what string, f *function, req *driver.Request, resp *driver.Response, ierr *driver.InvokeError, took time.Duration) {
	if !b.log.Enabled(ctx, slog.LevelDebug) {
		return
	}
	attrs := []slog.Attr{
		slog.String("function", f.short()),
		slog.Duration("took", took),
		slog.Int("request_bytes", len(req.Payload)),
	}
	switch {
	case ierr != nil:
		attrs = append(attrs,
			slog.String("request_id", ierr.RequestID),
			slog.String("outcome", ierr.Outcome.String()),
			slog.Bool("permanent", ierr.Permanent),
			slog.String("error", ierr.Error()))
	case what == eventRecord:
		attrs = append(attrs, slog.String("request_id", resp.RequestID))
	default:
		attrs = append(attrs,
			slog.String("request_id", resp.RequestID),
			slog.String("outcome", driver.OutcomeRan.String()),
			slog.String("version", resp.ExecutedVersion),
			slog.Int("reply_bytes", len(resp.Payload)))
	}
	b.log.LogAttrs(ctx, slog.LevelDebug, what, attrs...)
}
