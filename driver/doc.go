// Package driver is what a backend implements, and nothing else: how one request gets to an agent and an
// answer back, what the platform can carry, what became of an attempt, and where payloads go that no
// invocation holds. Import it to bring functions to another platform; programs that only call functions
// find the same names in package lambdapool.
//
// A backend has two methods, [Backend.Invoke] and [Backend.Limits]. It makes one attempt and says what
// is known about it, by an [InvokeError] with an [Outcome]; whether to try again, to slow down, to hedge
// or to give up is decided above, once for all backends. More is optional and found by asking: a
// [Detacher] takes requests for which nobody waits, a [Storer] has a [Store] for payloads that are too
// large, and a [Store] is a [Linker], since agents have no rights of their own.
//
// What a payload holds is no backend's concern: package codec makes and reads it, and an agent is
// handed the bytes by package agent. backend/backendtest is the specification as tests: a backend that passes
// it works.
//
// This package may know codec and what functions are called. Executors, options, retries and clouds
// must never enter it.
package driver
