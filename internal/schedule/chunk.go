package schedule

import (
	"math"
	"time"
)

// The constants of the chunk law. An invocation costs a fixed time, its
// overhead, and each of its items a time of its own.
const (
	// overheadShare is how many times the overhead an invocation should run:
	// with 30, 3 % of the time is lost to overhead, and larger chunks win little.
	overheadShare = 30
	// timeoutShare of the function's timeout may be planned for: items differ.
	timeoutShare = 0.1
	// leftShare of the time that is left to a run may be planned for.
	leftShare = 0.5
	// payloadShare of the payload limits may be planned for: items differ.
	payloadShare = 0.5
	// balance is how many chunks each worker should still get when the end of
	// the input is near: then the last ones are short and end together.
	balance = 2
	// lastOverheads is how many overheads long the last chunks may be, which share out all that is left. A shorter end costs
	// a round of overheads more; this is what it may cost if these items take longer than all before.
	lastOverheads = 4
	// memory is the weight of what was known before, per observed invocation.
	chunkMemory = 0.7
	// granules is how many times what the platform rounds up to an invocation should run: with 10,
	// half a granule of rounding is 5 % of its price.
	granules = 10
	// lingerShare of the overhead is worth waiting for a fuller chunk, up to lingerMax.
	lingerShare = 0.05
	lingerMax   = 5 * time.Millisecond
	// chosenMax bounds the items of an invocation that are chosen: those in flight are what a
	// stream's memory is made of, and more would save little of an overhead shared by so many.
	chosenMax = 3072
	// Beyond cheapItems, items are added only as long as each bears more than cheapShare of the
	// overhead, in seconds: what is less is not worth the memory.
	cheapItems = 512
	cheapShare = 5e-6
	// latencyGrowth and latencyStep, in seconds, are how fast the least overhead is forgotten,
	// per observed invocation.
	latencyGrowth = 1.005
	latencyStep   = 10e-6
	// farAway, in seconds, is the most that counts as overhead where invocations wait for agents, or for their start: what
	// takes longer has waited. It is a round trip to another continent.
	farAway = 0.1
	// ChunkMax bounds the items of one invocation.
	ChunkMax = 10_000
)

// ChunkLimits is what one invocation may carry. A zero field is no limit.
type ChunkLimits struct {
	Request  int           // bytes
	Response int           // bytes
	Timeout  time.Duration // of the function

	Granularity time.Duration // what the platform rounds billed time up to
	Wait        time.Duration // how long it lets an invocation wait for an agent
}

// A Chunker chooses how many items an invocation carries, from what it has
// seen of earlier ones. It is not safe for concurrent use.
type Chunker struct {
	limits ChunkLimits
	seen   bool
	warm   bool // an invocation was seen that no agent was started for

	overhead float64 // seconds of an invocation that are nobody's work
	latency  float64 // seconds, the least overhead lately: what is more is waiting for a busy machine
	item     float64 // seconds of agent time for each item, parallelism included
	longest  float64 // seconds, the longest such time lately
	reply    float64 // bytes of result for each item
	largest  float64 // bytes, the largest result lately
	procs    int     // items that an agent runs at once
	known    int     // items seen
	differ   float64 // how far invocations' items are from item, as a share of it

	batch batch
}

// A batch is a round of equal chunks, one for each worker. Were each a share of what is left when it is formed, they would
// shrink within a round already, and it would take more rounds to the end.
type batch struct {
	workers int
	left    int     // chunks
	items   float64 // of each
}

// NewChunker returns a Chunker that knows nothing yet.
func NewChunker(limits ChunkLimits) *Chunker { return &Chunker{limits: limits} }

// Observe learns from an invocation of n items that took total at the client,
// of which the agent was busy for run, with procs items at once, and whose
// reply had the given size.
func (c *Chunker) Observe(n int, total, run time.Duration, procs, reply int) {
	if n < 1 {
		return
	}
	overhead := max(total-max(run, 0), 0).Seconds()
	if c.limits.Wait > 0 {
		overhead = min(overhead, farAway)
	}
	if !c.warm {
		c.overhead, c.latency, c.warm = overhead, overhead, true
	}
	c.latency = min(c.latency*latencyGrowth+latencyStep, overhead)
	if c.limits.Wait > 0 { // more is waiting, which is no shorter for invocations of more items
		overhead = c.latency
	}
	// A straggler says little about the next invocation.
	c.overhead = blend(c.overhead, min(overhead, 4*c.overhead+1e-6))
	c.learn(n, run, procs, reply)
}

// ObserveCold is Observe for an invocation that an agent was started for. The start is no overhead of the next one, and
// the agent knows only a part of it: init. So the rest counts for an overhead, farAway at most, only until a warm agent has
// answered. What is said of the items is as good as from any other.
func (c *Chunker) ObserveCold(n int, total, init, run time.Duration, procs, reply int) {
	if n < 1 {
		return
	}
	if !c.warm {
		overhead := min(max(total-max(init, 0)-max(run, 0), 0).Seconds(), farAway)
		if !c.seen || overhead < c.overhead {
			c.overhead, c.latency = overhead, overhead
		}
	}
	c.learn(n, run, procs, reply)
}

// learn learns from an invocation what its items were.
func (c *Chunker) learn(n int, run time.Duration, procs, reply int) {
	item := max(run, 0).Seconds() / float64(n)
	bytes := float64(reply) / float64(n)
	if !c.seen {
		c.item, c.reply, c.seen = item, bytes, true
	}
	c.known += n
	c.differ = blend(c.differ, math.Abs(item-c.item)/max(c.item, 1e-9))
	c.item = blend(c.item, item)
	c.reply = blend(c.reply, bytes)
	c.procs = procs
	c.longest = max(c.longest*chunkMemory, item)
}

// ObserveResult learns from the largest result of an invocation, in bytes.
func (c *Chunker) ObserveResult(bytes int) {
	c.largest = max(c.largest*chunkMemory, float64(bytes))
}

// Expect returns how large a result may well be, in bytes; 0: nothing is known.
func (c *Chunker) Expect() int { return int(c.largest) }

func blend(old, now float64) float64 { return chunkMemory*old + (1-chunkMemory)*now }

// A Backlog is what there is to do when the next invocation is formed.
type Backlog struct {
	Remaining int // items not yet sent; -1: the input's length is not known
	Ready     int // of them, those that could be sent now
	Flying    int // items in flight
	Workers   int // invocations that may be in flight
	Request   int // mean bytes of an encoded item

	Left time.Duration // until the run ends, whatever has been done; 0: no limit
}

// Size returns how many items the next invocation should carry, at least 1.
func (c *Chunker) Size(b Backlog) int {
	if !c.seen {
		return 1
	}
	item := max(c.item, 1e-9)
	size := max(overheadShare*c.overhead/item, granules*c.granule(item))
	size = max(size, float64(c.procs)) // an agent's idle cores cost as much as busy ones
	size = min(size, max(cheapItems, c.latency/cheapShare, granules*c.granule(item)), chosenMax)
	if b.Remaining >= 0 {
		size = min(size, c.share(b, item))
	}
	if t := c.limits.Timeout; t > 0 {
		size = min(size, timeoutShare*t.Seconds()/max(c.longest, 1e-9))
	}
	if b.Left > 0 {
		size = min(size, leftShare*b.Left.Seconds()/max(c.longest, 1e-9))
	}
	if c.limits.Request > 0 && b.Request > 0 {
		size = min(size, payloadShare*float64(c.limits.Request)/float64(b.Request))
	}
	if c.limits.Response > 0 && c.reply > 0 {
		size = min(size, payloadShare*float64(c.limits.Response)/c.reply)
	}
	return max(1, int(size))
}

// share is what one worker may take of an input whose end is known, so that
// all end together. As long as the overhead takes longer than the items, one
// round for all is best; then chunks shrink from round to round as the end comes near. Where the
// platform rounds up they do not shrink below what is charged anyway, unless
// workers would have nothing to do: money is saved, and no time is lost.
func (c *Chunker) share(b Backlog, item float64) float64 {
	workers := max(b.Workers, 1)
	round := math.Ceil(float64(b.Remaining+b.Flying) / float64(workers))
	if round*item <= c.overhead {
		return round
	}
	if c.batch.left--; c.batch.left < 0 || c.batch.workers != workers {
		c.batch = batch{workers, workers - 1, c.deal(float64(b.Remaining), float64(workers), item)}
	}
	least := min(max(c.overhead/item, c.granule(item)), round)
	return max(math.Ceil(c.batch.items), math.Floor(least))
}

// deal returns how many of the remaining items each worker gets in the next round: a part, or all if that round would end
// about as evenly as a shorter one after it. Then the overhead of that one is saved.
func (c *Chunker) deal(remaining, workers, item float64) float64 {
	const apart = 2 // usual differences, between the first and the last to end
	all := remaining / workers
	time := all * item
	if float64(c.known) >= remaining && time <= lastOverheads*c.overhead && apart*c.differ*time <= c.overhead {
		return all
	}
	return all / balance
}

// granule is how many items fill what the platform charges at least.
func (c *Chunker) granule(item float64) float64 { return c.limits.Granularity.Seconds() / item }

// Linger returns how long a chunk that is not full should wait for more items:
// a little of what an invocation costs anyway.
func (c *Chunker) Linger() time.Duration {
	return min(lingerMax, time.Duration(c.overhead*lingerShare*float64(time.Second)))
}
