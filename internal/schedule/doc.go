// Package schedule holds the pool's decisions: when the next invocation may
// start, whether and when a failed one is tried again, when a slow one gets a
// duplicate, how many items one carries.
//
// Everything here is pure. Every method that needs the time is given it, every
// method that needs chance is given a source of it; there are no goroutines, no
// timers and no locks. Nothing is safe for concurrent use: the executor owns
// these values and calls them under the lock of its queue.
//
// # The control law
//
// A [Limiter] holds a pool to three bounds. Two are documented by the platform,
// as a [Law]; what is not documented, it learns from refusals.
//
// Environments. Lambda starts 1,000 environments of a function at once and 100
// more in each second. The limiter mirrors that bucket, so a cold function is
// hardly ever refused for growing too fast. An environment that was started
// stays warm: the ramp is paid once. The mirror lags a little behind, because
// the platform's bucket begins to refill only when a request has arrived.
//
// Slots. How much of the account's concurrency is there for this pool, nobody
// tells, and it changes with the other tenants. But a refusal says it precisely:
// whatever is still in flight when the refusal arrives was let in. So the first
// refusal lowers the limit to nine tenths of that level, and only one of a
// request that began later lowers it again. The others of the same flight,
// a thousand perhaps in the same millisecond, are one decrease; they only
// correct how much was let in. The tenth given up is what makes sharing fair:
// who has more is refused more often, gives up more, and leaves room for who
// has less. It is taken back within half a second, because up to that level
// nothing was refused.
//
// For two seconds the pool stays there. Then it probes: one step of 1 % above
// the level, and while nothing is refused, steps that double with each round
// trip of a refusal. A small probe costs few refusals where the limit has not
// changed, which is the usual case; doubling finds a limit that rose tenfold
// within a dozen round trips. Two seconds are the compromise between these two
// and the promise to follow any change within five. The pool only grows while
// the limit is what holds it back, as otherwise nothing would be learned.
//
// Requests per second. A token bucket of ten requests for each environment
// that the ramp allows; it looks for more while it is what holds the pool back.
// Its rate learns nothing from refusals, also not from those that name a limit
// of requests: platforms call limits by wrong names, and a pool that lowers its rate at
// a limit of concurrency starves, since it measures the rate of its own
// hesitation. Fewer slots send fewer requests, so that slots follow either limit.
//
// Retry-After is honoured by the call that was told so, as a floor below its
// jitter ([Backoff]), up to ten seconds; the pool does not grow meanwhile, within
// reason, but goes on to use the slots that others give back. If nothing is left
// in flight, the whole pool waits, and then knocks: one request, after 50 ms at
// first and 0.5 s at last, and after ten seconds if the platform asks for more.
// A call that has less time than the platform asks for waits for half of it: to
// be refused once more costs nothing, and the platform may be free by then.
//
// Noise. Some refusals do not follow from the pool's load: those of a fault
// injector, or of a proxy on the way. Slowing down does not cure them, and a
// pool that tried would end with one slot. The share of requests that is
// refused even when the pool is not probing is taken as background and
// pardoned, up to 10 %; above that it is not noise but a crowd.
//
// Waiting. Some platforms let a request wait for an agent, ten seconds perhaps, before they refuse it. The limiter is
// the same there: the refusals of one flight are one decrease, however late they come, and requests that wait are
// what makes such a platform grow. What differs is what is learned from times ([ChunkLimits].Wait): a [Chunker] takes
// the least overhead for the overhead, and a [Hedger] is told the agent's time of an invocation.
//
// A pool that is never refused and small enough for the burst pays for none of
// this but a few comparisons.
package schedule
