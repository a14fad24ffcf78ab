// Package httpagent carries requests to agents behind HTTP: on any platform that runs containers, on
// machines behind a load balancer, or on this one.
//
//	b, err := httpagent.New(ctx, "https://agents.example.com")
//
// Use it where functions must run longer than Lambda's 15 minutes, need a GPU or much memory, or
// where machines are there already. On AWS Lambda, package awslambda is better: it knows how fast
// a function may grow and what its logs say, and needs no servers. Agents here grow and shrink as their
// platform decides.
//
// # Build
//
// Build the program with go build. The archives of package deploy, and deploy.BuildHere, leave the HTTP
// server out.
//
// # The other side
//
// The same program is the agent where its environment says so:
//
//	LAMBDAPOOL_AGENT=http       serve HTTP instead of being a client
//	PORT=8080                   where to listen, on every interface; platforms set it
//	LAMBDAPOOL_ADDRESS=…        HOST:PORT instead of PORT, where a machine is shared
//	LAMBDAPOOL_TOKEN=…          the bearer token that callers must have, 32 bytes or more
//	LAMBDAPOOL_AUTH=platform    instead of a token: the platform lets in only who may call
//	LAMBDAPOOL_TIMEOUT=300s     how long a request may take; 5 minutes if it is not set
//	LAMBDAPOOL_MEMORY=2048      MB, for the garbage collector and for reports
//	LAMBDAPOOL_CPU=2            vCPUs: as many items of an invocation run at once
//	LAMBDAPOOL_CONCURRENCY=1    requests at once, others get 429; any number if it is not set
//
// Without a token, and without LAMBDAPOOL_AUTH=platform, an agent refuses to start. A variable with a bad
// value does the same. PORT alone makes no agent: a client that runs in a container has it too.
//
// On SIGTERM an agent refuses further requests, and ends when those in flight have, at the latest after
// 9.5 seconds: Cloud Run kills ten seconds after the signal. GET /lambdapool/v1/health answers 200 while an
// agent takes requests, and 503 when it is leaving. It needs no token.
//
// The client reads the token from LAMBDAPOOL_TOKEN as well, unless an option names another source. It is
// in no URL, no error and no log.
//
// # What an answer means
//
// Every answer of an agent has a mark, a header. With it a status is the agent's own word. Without it a
// platform spoke, or a stranger, and what is not known to mean "did not run" is an unknown outcome:
//
//	answer           with the mark             without
//	200              the reply                 not an agent: ErrDecode, permanent
//	400              did not run, permanent    unknown
//	3xx              –                         did not run, permanent: it is not followed
//	401, 403         did not run, permanent    the same, after the token was renewed once
//	404              did not run, permanent    the same
//	413              did not run, too large    the same
//	429              did not run, throttled    the same
//	500              unknown: its own fault    unknown
//	502              –                         unknown
//	503              leaving: did not run      unknown: a crash, out of memory or a failed start
//	504              –                         unknown, ErrTimeout: what was begun may still run
//
// A request that got no answer at all did not run if it was never sent, and is unknown otherwise.
//
// Cancelling a context closes the connection. The agent's functions see their context end, if nothing
// between client and agent holds the connection open.
package httpagent
