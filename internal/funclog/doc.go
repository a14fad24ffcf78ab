// Package funclog is what functions log while they run: who they are is added to each line, a part
// of the lines is kept for the reply, and the client shows what came back.
//
// In an agent an [Invocation] stands for a request, and an [Item] for one of its calls. [Handler]
// is the agent's slog.Default, which writes each line as JSON. What a function has not logged is
// not logged here either.
package funclog
