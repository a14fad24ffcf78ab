package lambdapool

import (
	"context"
	"log/slog"

	"github.com/lambdapool/lambdapool/internal/engine"
	"github.com/lambdapool/lambdapool/internal/funclog"
)

// Logger returns the logger of the function that got ctx. Each of its lines says whose it is: the function,
// the run's name, the item's place in the input from 0, the attempt, the invocation, and the platform's
// request id. For a context that is not a function's it is slog.Default().
//
// In an agent a line is a JSON object on standard error, which is the platform's log. So are the lines of
// slog.Default there, unless the program has set its own before agent.Main: they say the same where they get
// the function's context, or while a single item runs. On package inproc, and with a default of the program's own,
// lines go to slog.Default as it is. "lambdapool logs NAME --run RUN --item 3" finds an item's lines.
//
// Nothing is logged but what the function logs. It is safe for concurrent use, and does not block longer
// than writing does. Lines that a function writes after its time was up are in the platform's log alone.
func Logger(ctx context.Context) *slog.Logger { return funclog.Logger(ctx) }

// Logs bounds what travels back of the log of one item: see [WithLogs]. A zero field means the default.
type Logs struct {
	Level slog.Level // lines below it do not travel; the default is Info
	Lines int        // the newest, up to 1,000; the default is 20
	Bytes int        // of these, up to 65,536; the default is 4,096
}

// WithLogs has a part of what functions log by [Logger] travel back with the reply, also when they fail,
// panic or run out of their time: the newest lines of each item. The executor gives them to its logger
// ([WithLogger]) with their level, time and attributes. The errors of items that failed have them in
// LogTail, and print them with "%+v".
//
// Lines have the room that values and errors leave in a reply, those of failed items first. How many had
// none is said. What a process logs before it dies is in the platform's log alone. Agents of older versions send no
// lines. Lines of a detached run are recorded with its results, and each client that fetches these has them: ask when
// it begins. [Attach] refuses WithLogs. The default is none. Values that are out of range are an error.
func WithLogs(l Logs) CallOption {
	logs, err := engine.LogsOf(engine.Logs(l))
	return callOption{
		func(c *config) error {
			c.logs = logs
			return err
		},
		func(c *mapConfig) error {
			c.logs = logs
			return err
		},
	}
}
