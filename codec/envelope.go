package codec

import (
	"crypto/sha256"
	"time"
)

// An Op is what a request asks of the agent.
type Op uint8

const (
	OpCall     Op = iota // run Func for each item
	OpDescribe           // answer with the agent's registry, run nothing
)

// A Request is one invocation: one function, one or more items.
type Request struct {
	ID        string        `msgpack:"id"` // call id, for logs
	Op        Op            `msgpack:"op,omitempty"`
	Func      string        `msgpack:"fn,omitempty"`  // registered name
	Shape     uint64        `msgpack:"sh,omitempty"`  // fingerprint of the function's shape at the client
	Registry  uint64        `msgpack:"rg,omitempty"`  // fingerprint of the client's whole registry
	Remaining time.Duration `msgpack:"dl,omitempty"`  // time the call has left; 0: no deadline
	Parallel  int           `msgpack:"par,omitempty"` // items run at once at most; 0: the agent chooses
	Items     [][]byte      `msgpack:"it,omitempty"`  // encoded arguments, one entry per item
	Stored    *Stored       `msgpack:"st,omitempty"`  // where the items are; Items is empty then
	Spill     *Spill        `msgpack:"sp,omitempty"`  // where a large reply goes
	Compress  bool          `msgpack:"z,omitempty"`   // the reply may be compressed
	Chunk     int           `msgpack:"ck,omitempty"`  // which chunk of a run the items are, from 1; 0: of none
	Detached  *Detached     `msgpack:"dt,omitempty"`  // nobody waits for the reply: it is recorded
}

// A Detached says how a request leaves its traces in an object store, where nobody waits for
// its reply. The platform may deliver it more than once, at any time.
type Detached struct {
	Run    string `msgpack:"r"`           // id of the run, for messages
	Items  int    `msgpack:"n"`           // how many there are, also where they cannot be had
	Once   bool   `msgpack:"o,omitempty"` // the function must not run a second time
	Claim  Link   `msgpack:"c"`           // to PUT a [Claim], unless there is one: whoever does so comes first
	Holder Link   `msgpack:"h"`           // to GET it
	Result Link   `msgpack:"p"`           // to PUT the frame of the reply, unless it is there
	Done   Link   `msgpack:"g"`           // to GET it
	Marks  Link   `msgpack:"m,omitempty"` // to POST what else is to be known, see the Mark constants
	Prefix string `msgpack:"k,omitempty"` // of the keys of marks, after Marks.Under
}

// A Claim says which delivery of a detached request came first. It is stored as JSON.
type Claim struct {
	Instance  string    `json:"instance,omitempty"` // names the process; "" for a client that ends the call without one
	Delivery  uint64    `json:"delivery,omitempty"` // the process's invocation, from 1
	RequestID string    `json:"request_id,omitempty"`
	LogStream string    `json:"log_stream,omitempty"`
	At        time.Time `json:"at"` // the agent's clock
}

// What an agent marks of a detached request: the key of a mark is Marks.Under and Prefix,
// one of these, a dot, and a word that tells it from others of its kind.
const (
	MarkStarted   = "started"   // another delivery, after the one that holds the claim, has begun to run
	MarkDuplicate = "duplicate" // a delivery that did not run, or whose result was not the first
	MarkFailed    = "failed"    // items of the result that the delivery is about to record failed: the word is how many, a dash and its word
)

// A Stored is a frame in an object store that stands for a part of the message that
// names it: a request frame for the Items of a [Request], a reply frame for all of
// a [Reply] but its ID, Stored and Agent.
type Stored struct {
	From   Link              `msgpack:"ln,omitempty"` // to GET it from; empty in a reply, whose receiver made the link
	Size   int64             `msgpack:"sz,omitempty"` // bytes
	SHA256 [sha256.Size]byte `msgpack:"sum"`          // of these bytes
}

// A Spill says where the frame of a reply goes that is too large to be returned: its
// sender puts it there and answers with a [Stored].
type Spill struct {
	To    Link   `msgpack:"ln"`
	Name  string `msgpack:"n,omitempty"` // the rest of the key, where To is a form
	Above int    `msgpack:"a,omitempty"` // bytes of frame from which on it goes there although it could be returned; 0: none
}

// A Reply answers a Request. Err is set when no item ran; otherwise Items
// has one entry per item of the request, in its order, unless it is Stored.
type Reply struct {
	ID        string         `msgpack:"id"`
	Err       *Error         `msgpack:"er,omitempty"`
	Items     []ItemReply    `msgpack:"it,omitempty"`
	Stored    *Stored        `msgpack:"st,omitempty"` // where the items are; Items is empty then
	Agent     AgentStats     `msgpack:"ag"`
	Functions []FunctionInfo `msgpack:"fs,omitempty"` // answer to OpDescribe
}

// An ItemReply is one item's value or error.
type ItemReply struct {
	Value []byte        `msgpack:"v,omitempty"` // encoded result; meaningless when Err is set
	Err   *Error        `msgpack:"e,omitempty"`
	Run   time.Duration `msgpack:"t,omitempty"` // run time of this item
}

// An ErrorKind says which side an error is from and what it means.
type ErrorKind uint8

const (
	KindFunction        ErrorKind = iota + 1 // the function returned an error
	KindPanic                                // the function panicked
	KindTimeout                              // the item's time was up
	KindNotRegistered                        // the agent has no such function
	KindVersionMismatch                      // the agent's function has another shape
	KindBadRequest                           // the request or its arguments cannot be decoded
	KindEncode                               // the result cannot be encoded
	KindTooLarge                             // the result is above the reply limit
	KindStore                                // the object store did not give the items, or did not take the result
	KindCanceled                             // of a detached request: somebody canceled it
	KindExpired                              // of a detached request: it was not delivered in time
	KindLost                                 // of a detached request: its agent has begun, and will never answer
)

// An Error is a failure on the wire.
type Error struct {
	Kind    ErrorKind   `msgpack:"k"`
	Type    string      `msgpack:"ty,omitempty"` // dynamic type, as %T prints it
	Message string      `msgpack:"m,omitempty"`
	Hint    string      `msgpack:"h,omitempty"` // what to do about it
	Stack   string      `msgpack:"st,omitempty"`
	Chain   []ErrorLink `msgpack:"ch,omitempty"` // wrapped errors, outermost first
	Codes   []string    `msgpack:"co,omitempty"` // registered sentinels that the error matches
	Final   bool        `msgpack:"f,omitempty"`  // of KindStore: another try cannot help
}

// An ErrorLink is one wrapped error.
type ErrorLink struct {
	Type    string `msgpack:"ty"`
	Message string `msgpack:"m"`
}

// AgentStats are the agent's own measurements of one invocation.
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
}

// FunctionInfo describes one registered function.
type FunctionInfo struct {
	Name  string `msgpack:"n"`
	Shape string `msgpack:"s"` // as Function.Shape prints it
}
