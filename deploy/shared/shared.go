package shared

import (
	"encoding/json"
	"time"
)

// An Event is a step of a longer operation, for a person who waits: see the option WithProgress of a client.
type Event struct {
	// Step is a word for a program: "build", "zip", "role", "create", "code", "configure",
	// "wait", "smoke", "publish", "alias", "logs", "delete" or "undo". More may come.
	Step string `json:"step"`

	// Text is for people, and may change.
	Text string `json:"text"`
}

// A Level says how bad a [Finding] is. It is a word, to be printed.
type Level string

// The levels, from the best.
const (
	// OK is as it should be.
	OK Level = "ok"
	// Note is worth knowing, or could not be looked at. Nothing needs to be done.
	Note Level = "note"
	// Warning is what makes runs slow, or old code answer.
	Warning Level = "warning"
	// Problem is what makes calls fail, or return what nobody expects.
	Problem Level = "problem"
)

// A Finding is one thing that a doctor looked at, good or bad.
type Finding struct {
	// Check is a word for what was looked at: "region", "credentials", "function", "version",
	// "memory", "code", "agent", "shapes", "concurrency" and others.
	Check string `json:"check"`

	// Level is how bad it is.
	Level Level `json:"level"`

	// Text is what was seen, for people.
	Text string `json:"text"`

	// Remedy says what to do, often a command. It is empty where there is nothing to do.
	Remedy string `json:"remedy,omitempty"`
}

// A Registry is what an agent says about itself.
type Registry struct {
	// Version is the one that answered, by the cloud's name: "$LATEST" or a number on Lambda,
	// empty where the cloud does not say it.
	Version string `json:"version"`

	// Functions are those that it registers. It is never nil.
	Functions []RegisteredFn `json:"functions"`

	// Cold says that this was the first call of the environment. Init is the time that its
	// start took, then.
	Cold bool          `json:"cold"`
	Init time.Duration `json:"init_ns,omitempty"`

	// Procs is how many items the agent runs at once.
	Procs int `json:"procs"`
}

// A RegisteredFn is a function that an agent has.
type RegisteredFn struct {
	Name string `json:"name"`

	// Shape is for people: "func(int, int) int". Equal shapes do not prove equal types.
	Shape string `json:"shape"`
}

// A Call is one call of a registered function, with JSON instead of Go values.
type Call struct {
	// Function is the registered name, as showing an agent lists it.
	Function string

	// Args has one JSON value per argument. For a string parameter, text without quotes is
	// taken as it is.
	Args []string

	// Qualifier is a version or an alias on Lambda, a tag on Cloud Run. "" is the newest code.
	Qualifier string
}

// A Result is what a call returned, and what the run took. It can be printed as JSON.
type Result struct {
	// Value is what the function returned. It is null for a function without a result.
	Value json.RawMessage `json:"value"`

	// Shape is that of the function: "func(int, int) int".
	Shape string `json:"shape"`

	// Run is the wall time of the function in the agent. CPU is that of all threads of the
	// agent. Billed is what the cloud charges for, 0 where it did not say.
	Run    time.Duration `json:"run_ns"`
	CPU    time.Duration `json:"cpu_ns"`
	Billed time.Duration `json:"billed_ns"`

	// PeakMemory is the most that the agent used so far, Memory is what it has. Both are in
	// bytes.
	PeakMemory int64 `json:"peak_memory_bytes"`
	Memory     int64 `json:"memory_bytes"`

	// Cold says that this call was the first of its environment.
	Cold bool `json:"cold"`

	// RequestID finds the call in the log: see [LogQuery].
	RequestID string `json:"request_id"`

	// Version is what ran, as in [Registry].
	Version string `json:"version"`
}

// A LogLine is an entry of a log. Text may come from a user's function: escape it
// before you print it to a terminal.
type LogLine struct {
	// Time is in UTC, to the millisecond.
	Time time.Time `json:"time"`

	// Stream names the environment that wrote it, or the instance. Each has its own.
	Stream string `json:"stream"`

	// Text has no newline at its end.
	Text string `json:"text"`
}

// LogQuery says which entries are wanted. The zero value is all there is, once.
type LogQuery struct {
	// Since is how far back from now. 0 is all there is. Negative is an error.
	Since time.Duration

	// RequestID selects the entries that name this invocation. With Filter, too, both must
	// match.
	RequestID string

	// Run selects the lines that functions have logged in the detached run of that name, and Item those of the
	// item at that place in a run's input, from 0. They are the lines of lambdapool.Logger, and of
	// slog.Default in agents.
	Run  string
	Item *int

	// Filter is in the syntax of the cloud, which selects there: a filter pattern of CloudWatch
	// Logs, a query of Cloud Logging. It is cheaper than reading everything.
	Filter string

	// Follow goes on with what is added, until ctx ends or the loop is left.
	Follow bool
}
