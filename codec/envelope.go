package codec

import (
	"crypto/sha256"
	"time"
)

// An Op is what a request asks of the agent. The zero value is [OpCall]. An agent that does not
// know an Op answers with [KindBadRequest].
type Op uint8

const (
	// OpCall: run Func for each item, and answer with an [ItemReply] for each.
	OpCall Op = iota
	// OpDescribe: answer with the agent's functions and run nothing. Func and Items are not
	// looked at. It is how the command line checks a deployment.
	OpDescribe
)

// A Request is one invocation: one function, one or more items. The executor makes it, and
// [EncodeRequest] or [EncodeRawRequest] makes bytes of it.
//
// The items are calls of the same function, each with its own arguments as [Marshal] encodes
// them. They share what an invocation costs, and run at the same time as far as Parallel and
// the agent's processors allow. Fields that are zero are not sent.
//
// Remaining is a duration and no point in time, because the clocks of client and agent differ.
// The agent counts it from when it gets the request, so time on the way comes on top: where
// items share an invocation, the client takes off what it has measured. The functions' context
// ends when it is over, and the reply is sent [Grace] later at the latest.
//
// Last, Stop and Expect help the agent to decide which items not to begin. Expect is what the
// largest result of a run took so far, and a reply has room for so many of them. They are hints:
// an agent that ignores one still answers each item with what became of it.
type Request struct {
	ID        string        `msgpack:"id"` // call id, for logs
	Op        Op            `msgpack:"op,omitempty"`
	Func      string        `msgpack:"fn,omitempty"`  // registered name
	Shape     uint64        `msgpack:"sh,omitempty"`  // fingerprint of the function's shape at the client
	Registry  uint64        `msgpack:"rg,omitempty"`  // fingerprint of the client's whole registry
	Remaining time.Duration `msgpack:"dl,omitempty"`  // time the call has left; 0: no deadline
	Parallel  int           `msgpack:"par,omitempty"` // items run at once at most; 0: the agent chooses
	Last      bool          `msgpack:"la,omitempty"`  // when Remaining is over there is no time to send again what was not begun
	Stop      bool          `msgpack:"sf,omitempty"`  // begin no item any more once one has failed
	Expect    int           `msgpack:"ex,omitempty"`  // bytes of result to expect of an item at most; 0: nothing is known
	Items     [][]byte      `msgpack:"it,omitempty"`  // encoded arguments, one entry per item
	Stored    *Stored       `msgpack:"st,omitempty"`  // where the items are; Items is empty then
	Spill     *Spill        `msgpack:"sp,omitempty"`  // where a large reply goes
	Compress  bool          `msgpack:"z,omitempty"`   // the reply may be compressed
	Chunk     int           `msgpack:"ck,omitempty"`  // which chunk of a run the items are, from 1; 0: of none
	Detached  *Detached     `msgpack:"dt,omitempty"`  // nobody waits for the reply: it is recorded
	Nested    *Nested       `msgpack:"ns,omitempty"`  // what the functions may call; nil: nothing
	Trace     string        `msgpack:"tp,omitempty"`  // traceparent of W3C Trace Context, for the functions' context
	Logs      *Logs         `msgpack:"lo,omitempty"`  // how log lines name the items, and what of them travels back; nil: nothing
}

// A Logs says how the log lines of a request's functions name its items, and which of the lines
// come back with the reply. An agent that does not know it sends none.
type Logs struct {
	Run     string `msgpack:"r,omitempty"` // the run's name; empty: it has none
	Items   []int  `msgpack:"i,omitempty"` // places in the run's input: a first one, how many there are from it on, the next first one, …
	Attempt int    `msgpack:"a,omitempty"` // of the items, from 1
	Level   int    `msgpack:"l,omitempty"` // as log/slog has it; lines below it do not travel
	Lines   int    `msgpack:"n,omitempty"` // of an item, at most; 0: none travel
	Bytes   int    `msgpack:"b,omitempty"` // of an item, at most
}

// LogLines is what comes back of the log of one item: its newest lines.
type LogLines struct {
	Lines   []LogLine `msgpack:"l,omitempty"`
	Dropped int       `msgpack:"d,omitempty"` // lines before these, which had no room
}

// A LogLine is one line that a function has logged.
type LogLine struct {
	At    int64    `msgpack:"t,omitempty"` // milliseconds since 1970, by the agent's clock
	Level int      `msgpack:"l,omitempty"` // as log/slog has it
	Text  string   `msgpack:"m,omitempty"`
	Attrs []string `msgpack:"a,omitempty"` // names and values by turns
}

// A Nested says what the functions of a request may call on the pool that they run in. A client
// sends one where its backend lets functions call back.
//
// Room is counted once for all that is below the request: calls of its functions, and what these
// call. So requests that run at the same time have different workers, and none waits for another's.
type Nested struct {
	Depth int    `msgpack:"d,omitempty"` // of the request: how many functions are above it; 0 for what a client calls
	Max   int    `msgpack:"m,omitempty"` // the largest Depth that is allowed
	Room  int    `msgpack:"r,omitempty"` // invocations in flight that its functions may cause at most
	Trace string `msgpack:"t,omitempty"` // ID of the request at the top, for logs

	GBSeconds float64 `msgpack:"g,omitempty"` // what its functions may spend at most; 0: no bound
	Dollars   float64 `msgpack:"c,omitempty"` // likewise
}

// A Spent is what invocations have cost, with those that their functions have caused.
type Spent struct {
	Invocations int64         `msgpack:"n,omitempty"`
	Billed      time.Duration `msgpack:"b,omitempty"`
	GBSeconds   float64       `msgpack:"g,omitempty"`
	Unknown     float64       `msgpack:"u,omitempty"` // GB-seconds, at most, of those of which nobody has said what they cost
}

// A Detached says how a request leaves its traces in an object store, where nobody waits for
// its reply. The platform may deliver it more than once, at any time, and at the same time to
// several agents.
//
// An agent first puts its [Claim]. Who comes first runs the items. A later delivery runs
// them again only if the function may run twice and no result is there, since the first one has
// most likely died then. Otherwise it leaves a mark and ends. An agent needs no rights for that:
// each trace has its link.
type Detached struct {
	Run    string `msgpack:"r"`           // id of the run, for messages
	Items  int    `msgpack:"n"`           // how many there are, also where they cannot be had
	Once   bool   `msgpack:"o,omitempty"` // the function must not run a second time
	Claim  Link   `msgpack:"c"`           // to PUT a [Claim], unless there is one: whoever does so comes first
	Holder Link   `msgpack:"h"`           // to GET it
	Result Link   `msgpack:"p"`           // to PUT the frame of the reply, unless it is there
	Done   Link   `msgpack:"g"`           // to GET it
	Rest   Link   `msgpack:"l,omitempty"` // to PUT, instead of a result, the frame of a reply with items that were not begun; empty: those fail
	Turn   int    `msgpack:"t,omitempty"` // how many agents before have begun a part of the request each, and left these items
	Marks  Link   `msgpack:"m,omitempty"` // to POST what else is to be known, see the Mark constants
}

// A Claim says which delivery of a detached request came first. It is stored as JSON, so that
// people can read it in the bucket. A client that cancels a call before it has begun puts the
// Claim itself, with an empty Instance.
type Claim struct {
	Instance  string    `json:"instance,omitempty"` // names the process; "" for a client that ends the call without one
	Delivery  uint64    `json:"delivery,omitempty"` // the process's invocation, from 1
	RequestID string    `json:"request_id,omitempty"`
	LogStream string    `json:"log_stream,omitempty"`
	At        time.Time `json:"at"` // the agent's clock
}

// What an agent marks of a detached request: the key of a mark is Marks.Under, one of these, a
// dot, and a word that tells it from others of its kind. Marks are for people and for reports:
// they change no result, and an agent that lies in them can only mislead about its own chunk.
const (
	// MarkStarted: another delivery, after the one that holds the claim, has begun to run.
	MarkStarted = "started"
	// MarkDuplicate: a delivery that did not run, or whose result was not the first.
	MarkDuplicate = "duplicate"
	// MarkRest: the delivery is about to leave items that it has not begun. The word is how
	// many, a dash, how many of the others failed, a dash, and its own.
	MarkRest = "rest"
	// MarkFailed: items of the result that the delivery is about to record failed. The word is
	// how many, a dash, and its own.
	MarkFailed = "failed"
)

// A Stored is a frame in an object store that stands for a part of the message that names it: a
// request frame for the Items of a [Request], a reply frame for all of a [Reply] but its ID,
// Stored and Agent.
//
// The size and the sum are in the message and not in the store. So [ReadRequest] and
// [ReadReply] notice an object that was changed or replaced.
type Stored struct {
	From   Link              `msgpack:"ln,omitempty"` // to GET it from; empty in a reply, whose receiver made the link
	Size   int64             `msgpack:"sz,omitempty"` // bytes
	SHA256 [sha256.Size]byte `msgpack:"sum"`          // of these bytes
}

// A Spill says where the frame of a reply goes that is too large to be returned: its sender
// puts it there and answers with a [Stored]. The client sends one where it has a store. An
// agent whose reply is small leaves no object there.
type Spill struct {
	To    Link   `msgpack:"ln"`
	Name  string `msgpack:"n,omitempty"` // the rest of the key, where To is a form
	Above int    `msgpack:"a,omitempty"` // bytes of frame from which on it goes there although it could be returned; 0: none
}

// A Reply answers a Request. Err is set when no item ran, for example since the agent has no
// such function. Otherwise Items has one entry per item of the request, in its order, unless it
// is Stored.
//
// That an item failed is in its [ItemReply]: the others have their values. A Reply that cannot
// be decoded says nothing about what ran.
type Reply struct {
	ID        string         `msgpack:"id"`
	Err       *Error         `msgpack:"er,omitempty"`
	Items     []ItemReply    `msgpack:"it,omitempty"`
	Stored    *Stored        `msgpack:"st,omitempty"` // where the items are; Items is empty then
	Turn      int            `msgpack:"tn,omitempty"` // of a detached request: its Turn; the items before are in what was left then
	Left      *Request       `msgpack:"lf,omitempty"` // of a detached request: what asks for the items that were not begun
	Agent     AgentStats     `msgpack:"ag"`
	Functions []FunctionInfo `msgpack:"fs,omitempty"` // answer to OpDescribe
}

// An ItemReply is one item's value or error. Both are empty for a function without a result.
type ItemReply struct {
	Value []byte        `msgpack:"v,omitempty"` // encoded result; meaningless when Err is set
	Err   *Error        `msgpack:"e,omitempty"`
	Run   time.Duration `msgpack:"t,omitempty"` // run time of this item
	Logs  *LogLines     `msgpack:"l,omitempty"` // what its function has logged, if the request wants that
}

// An ErrorKind says which side an error is from and what it means. The client turns it into a
// sentinel of package lambdapool. 0 is none of them. A number that is not known comes from a
// newer agent, and becomes lambdapool.ErrDecode.
type ErrorKind uint8

const (
	// KindFunction: the function returned an error, which is an answer like a value. The client
	// makes a lambdapool.FunctionError of it, and does not send the item again by itself.
	KindFunction ErrorKind = iota + 1
	// KindPanic: the function panicked. Also a FunctionError, with its Panic and Stack set.
	KindPanic
	// KindTimeout: the item's time was up while it ran. It becomes lambdapool.ErrTimeout, and
	// is tried again only if the function is idempotent.
	KindTimeout
	// KindNotRegistered: the agent has no such function. Of a whole reply; nothing ran.
	KindNotRegistered
	// KindVersionMismatch: the agent's function has another shape. Of a whole reply; nothing ran.
	// Message is the agent's short shape and Hint its written out one, so that the client can
	// show both sides. Of an item, backend/check says by it that results differ.
	KindVersionMismatch
	// KindBadRequest: the request, or this item's arguments, cannot be decoded. It becomes
	// lambdapool.ErrDecode. The function did not run.
	KindBadRequest
	// KindEncode: the function ran and its result cannot be encoded.
	KindEncode
	// KindTooLarge: the function ran and its result is above the reply limit.
	KindTooLarge
	// KindStore: the object store did not give the items, or did not take the result. Final
	// says that another try cannot help.
	KindStore
	// KindCanceled, of a detached request: somebody canceled it before it was begun.
	KindCanceled
	// KindExpired, of a detached request: it was not delivered in time.
	KindExpired
	// KindLost: the agent has begun, and nobody can say what ran. Of a whole reply: the agent of
	// a detached request will never answer, or a process ended that kept no account of its items.
	KindLost
	// KindNotBegun: the item was never begun, so sending it again is harmless, whatever the
	// function is. It has no other fields.
	KindNotBegun
	// KindCrashed: the agent's process ended while the item ran. Stack is the end of its log.
	KindCrashed
	// KindOutOfMemory: as KindCrashed, and memory says why.
	KindOutOfMemory
	// KindStart: what the program does at an agent's start has failed. Of a whole reply; nothing ran.
	KindStart
)

// An Error is a failure on the wire: of a whole [Reply], or of one item. It has texts and codes
// instead of a Go error, since the other process has other types.
//
// What a client needs for errors.Is is in Codes, for errors.As in Values. Both are for errors
// that were registered on both sides. Chain is for people. Of [KindNotBegun] there is nothing
// but the Kind.
type Error struct {
	Kind    ErrorKind    `msgpack:"k"`
	Type    string       `msgpack:"ty,omitempty"` // dynamic type, as %T prints it
	Message string       `msgpack:"m,omitempty"`
	Hint    string       `msgpack:"h,omitempty"` // what to do about it
	Stack   string       `msgpack:"st,omitempty"`
	Chain   []ErrorLink  `msgpack:"ch,omitempty"` // wrapped errors, outermost first
	Codes   []string     `msgpack:"co,omitempty"` // registered sentinels that the error matches
	Values  []ErrorValue `msgpack:"va,omitempty"` // those of the error and what it wraps whose types are registered, outermost first
	Final   bool         `msgpack:"f,omitempty"`  // of KindStore: another try cannot help
}

// An ErrorLink is one wrapped error: its dynamic type and what it says.
type ErrorLink struct {
	Type    string `msgpack:"ty"`
	Message string `msgpack:"m"`
}

// MaxErrorValues is how many [ErrorValue]s an error has at most.
const MaxErrorValues = 32

// An ErrorValue is an error of a registered type, encoded by [Marshal]. A client decodes it
// only if it has a type with the same Code and the same Shape.
type ErrorValue struct {
	Code  string `msgpack:"c"` // of the type
	Shape uint64 `msgpack:"s"` // hash of what travels of it; with another one Data means nothing
	Data  []byte `msgpack:"d,omitempty"`
}

// AgentStats are the agent's own measurements of one invocation. They are there whatever the
// platform says, and on platforms that say nothing. What could not be measured is zero. A
// client must not trust them with anything but statistics: they are claims of the agent.
type AgentStats struct {
	Instance   string        `msgpack:"in,omitempty"` // names the process; new for each cold start
	Invocation uint64        `msgpack:"n,omitempty"`  // how many this process has begun, from 1
	Cold       bool          `msgpack:"c,omitempty"`  // the first one
	Init       time.Duration `msgpack:"i,omitempty"`  // process start to first invocation, when Cold
	Run        time.Duration `msgpack:"r,omitempty"`  // decode, run and encode
	CPU        time.Duration `msgpack:"u,omitempty"`  // user and system time of the process meanwhile
	PeakMemory int64         `msgpack:"pm,omitempty"` // bytes, highest resident size of the process so far
	Memory     int64         `msgpack:"lm,omitempty"` // bytes, the function's memory setting
	Registry   uint64        `msgpack:"rg,omitempty"` // fingerprint of the agent's registry
	Procs      int           `msgpack:"p,omitempty"`  // items it runs at once
	RequestID  string        `msgpack:"rq,omitempty"` // the platform's, of a detached request
	Build      string        `msgpack:"b,omitempty"`  // of its executable, as who started it says; empty: not known
	Nested     *Spent        `msgpack:"ns,omitempty"` // what its functions have called, and what these have; nil: nothing
}

// FunctionInfo describes one registered function, in the answer to [OpDescribe].
type FunctionInfo struct {
	Name  string `msgpack:"n"`
	Shape string `msgpack:"s"` // as Function.Shape prints it
}
