// Agent is what the smoke test deploys.
package main

import (
	"github.com/lambdapool/lambdapool/agent"
	_ "github.com/lambdapool/lambdapool/backend/backendtest" // the functions of the conformance suite
	"github.com/lambdapool/lambdapool/internal/smoke/work"
)

func main() {
	work.Raw()
	agent.Main()
}
