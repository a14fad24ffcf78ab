// Package sandbox is the execution environments of one function: agents as processes of this
// machine, and the Runtime API by which they take invocations and answer. A Pool starts
// environments when there is work, uses them again, watches their memory and their time, and
// ends them. It is told what they are made of by a Spec, and hands back a Result in the words
// of Lambda: its log lines, its errors, its REPORT.
//
// It may know processes, the collector of logs, the fates of invocations (package faults) and
// how the Runtime API is spoken on the wire. It must never know who invokes: no function by
// name, no queue of events, no concurrency of an account, no control plane. An Invocation
// comes in with all that its agent may see.
//
//	Pool        acquire an environment, run an invocation in it
//	Spec        what environments are made of
//	Route       the Runtime API of all environments
//	Spawner     starts processes that cannot outlive this one
//	Build       which program an agent would run
//	Reaper      removes a directory when this process has ended
//
// Inside, launch.go starts an agent, sandbox.go follows one invocation through it,
// runtimeapi.go is what the agent says meanwhile, and report.go what is logged at the end.
// A Sandbox's lock guards what both of its faces, the pool's and the agent's, touch.
package sandbox
