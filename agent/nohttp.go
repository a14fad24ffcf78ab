//go:build lambdapool.nohttp

package agent

import "log"

// serveHTTP is not in this program: archives for Lambda, which no HTTP request reaches, are
// built without it. The server takes half a megabyte.
func serveHTTP() {
	log.Fatal("lambdapool: agent: cannot serve HTTP: this program was built for Lambda (build it without the tag lambdapool.nohttp)")
}
