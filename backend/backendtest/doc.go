// Package backendtest is the specification of a backend and of an object store, written as tests.
// What package driver promises in sentences, this package checks: a backend that passes works
// under the executor, and one that fails has a bug that a user would meet. It may know everything
// that a program may: the root package, driver, codec. No single backend and no cloud SDK must
// enter it, and no demand that only one platform can meet.
//
// # Who needs it
//
// Whoever writes a backend or a store. Call it from a test of yours, and from nowhere else: it
// links package testing. Programs that call functions test themselves with backend/inproc,
// backend/local and backend/check.
//
// There are four suites:
//
//   - [Run] is for a backend. It includes the suite of detached runs where the backend is a
//     driver.Detacher and has a store.
//   - [RunStore] is for a driver.Store alone: objects, listings, and what links and forms allow.
//   - [RunDetached] is for detached runs alone, where a backend or its store comes in variants.
//   - [RunNested] is for calls from calls alone, where only some clients of a backend can make them.
//
// # How to run it
//
// A backend's test calls [Run] with a function that opens it. Where the agent is
// another process of the same test binary, TestMain must let it be one:
//
//	func TestMain(m *testing.M) {
//		agent.Main()
//		os.Exit(m.Run())
//	}
//
//	func TestConformance(t *testing.T) {
//		backendtest.Run(t, func(t *testing.T) lambdapool.Backend {
//			b, err := local.New(local.WithTimeout(3 * time.Second))
//			…
//			t.Cleanup(func() { b.Close() })
//			return b
//		}, backendtest.Isolated())
//	}
//
// Importing the package registers the functions that the suite calls, under
// names that begin with "backendtest.", in lambdapool.DefaultRegistry. The agent
// must serve that registry.
//
// Open the backend small: two agents are enough, and three where functions call from processes of their own. Cases need no quick machine. They wait up to
// three minutes for what should have happened long before, and measure only that something took
// less time than a function that sleeps. Do not run the suite in parallel with tests that start
// goroutines: it checks that closing leaves none behind.
//
// # What is demanded
//
// In the order in which a new backend should be built:
//
//   - Bytes arrive unchanged, in both directions: Values, Map, Items, Dynamic.
//   - Answers are not mixed up, however many are in flight: Concurrent.
//   - The platform's limits are known to the byte and enforced before sending: Limits,
//     RequestSize, ReplySize.
//   - An error says what is known: of the function (FunctionError, Panic), of a call that
//     cannot be made (NotRegistered, VersionMismatch, BadArguments, Unencodable), and of bytes
//     that nobody should have sent (Hostile).
//   - Time ends calls on both sides: DeadlineTravels, Timeouts, AgentTimeouts.
//   - Invoke lets go when its context ends: CancelQueued, CancelRunning, CancelInvoke.
//   - The agent is another world: ContextValues, and with [Isolated] what kills it.
//   - Closing ends everything and leaves nothing: CloseExecutor, CloseBackend.
//   - What goes by way of a store, unless [WithoutStore] says that there is none: LargePayloads, ReplyForms,
//     and what functions read and write there themselves (Splits, Shared, Jobs).
//   - Functions call functions, unless [WithoutNested] says that they cannot: Nested.
//   - Optional: detached runs.
//
// # How to read a failure
//
// Each case stands for one demand. The comment on its function says what is demanded, why, and
// what users see when a backend does otherwise. So look for the function: Shared/CancelInvoke is
// testCancelInvoke. Cases below Shared use one backend, one after the other, and most end with a
// call that must succeed. When that "next call" fails, the case before has broken the backend.
//
// Some cases speak to the backend in the wire form, with package codec, where an executor
// would hide what is looked for by a retry or by refusing to send.
//
// # What it cannot prove
//
// The suite does not provoke throttles, lost connections and outages, because only the author
// of a backend can. Test yourself that each of them becomes a driver.InvokeError with the
// right Outcome. A wrong OutcomeNotRun makes a function run twice that must not. A wrong
// OutcomeUnknown fails calls that could have been sent again.
package backendtest
