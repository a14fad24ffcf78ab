// Package logs is what agents print: collected from the pipe of one agent, cut into lines
// and tails, kept in log groups, and served as CloudWatch Logs serves them.
//
//	Collector   what one agent writes: lines for the program, the tail for a caller
//	Output      where the lines of several agents go, kept apart
//	Groups      what a region keeps, and the operations that read it
//
// It may know how requests are answered (package wire) and how text of others is made
// legible. Sandboxes, functions and invocations must never enter: a line that the platform
// adds comes in as text, by Notef.
package logs
