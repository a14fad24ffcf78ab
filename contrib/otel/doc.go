// Package otel shows what lambdapool does to OpenTelemetry: as spans that are linked from the caller through the
// wire to the function, and as metrics. It is a module of its own, so that programs that do not use it do not link
// OpenTelemetry.
//
//	observer, err := otel.NewObserver()
//	…
//	pool, err := lambdapool.New(backend, lambdapool.WithObserver(observer))
//
// # Spans
//
// A run (Map, a stream) is one span, and so is a call (Submit). Below it is a span for each invocation, each attempt
// of its own, of kind client. The agent's side is [Function]: wrapped in it, a function has a span of kind server for
// each item, below that of its invocation. Where only the agents are wrapped, or only the client is observed, the
// other side's spans are missing, and nothing else. Items have no spans on the client: a run may have a million.
//
// Names are "map NAME", "call NAME", "invoke NAME" and NAME, of the registered name. Attributes are faas.* of the
// semantic conventions where these have one, and lambdapool.* where not. Arguments and results are in none.
//
// # Metrics
//
// All have the attribute lambdapool.function but those of the executor as a whole.
//
//	faas.invocations, faas.errors, faas.timeouts, faas.coldstarts   counters of the semantic conventions
//	faas.invoke_duration, faas.init_duration, faas.cpu_usage        histograms, seconds, as the agent measured
//	faas.mem_usage                                                  histogram, bytes
//	lambdapool.invocation.duration                                  histogram, seconds, from the request to the answer
//	lambdapool.invocation.queued                                    histogram, seconds, from the call to the request
//	lambdapool.invocation.items                                     histogram, calls in a request
//	lambdapool.throttles                                            counter, with the platform's lambdapool.reason
//	lambdapool.cost                                                 counter, US dollars, by list prices
//	lambdapool.calls                                                counter, with lambdapool.outcome
//	lambdapool.invocations.in_flight, .limit                        gauges, of all executors
//	lambdapool.calls.queued, .running                               gauges
//	lambdapool.payload.io, lambdapool.store.io                      counters, bytes, with network.io.direction
package otel
