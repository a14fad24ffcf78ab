// Package runlocal is Google Cloud Run in this machine, for tests and for trying things out: agents are
// processes behind a front end that checks ID tokens, and the Admin API makes services of them. It is
// strict where Google's documentation says what is refused, so that what passes here has a chance there.
//
// It serves, on loopback addresses of the system's choice:
//
//   - one front end for each service: audience, issuer, end and signature of ID tokens; instances times
//     concurrency; 429 when none was free for a while; 504 that kills nobody; a bare 503 for a crash, a kill
//     for memory and a start that failed; 413; SIGTERM and ten seconds
//   - the Admin API v2 of Cloud Run: services and operations, validateOnly, etags
//   - a registry for images, as Artifact Registry has it, and the API that makes its repositories. An image runs as a
//     process from its unpacked layers: with its entrypoint, environment, directory and (for root) user, and with
//     this machine's file system around it
//   - an issuer of its own: the token endpoint for keys and refresh tokens, IAM Service Account Credentials,
//     and a metadata server
//
// Everything of Google's that it imitates is written from the documentation, and shares no type with
// backend/cloudrun: else both would make the same mistakes. It knows processes, net/http and how far a
// request got (internal/once); agents, executors and backends must never enter it.
package runlocal
