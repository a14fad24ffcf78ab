package main

import (
	"runtime"

	"github.com/lambdapool/lambdapool/deploy"
)

// versionInfo is what version prints. Its keys are relied on, as all JSON of this command is.
type versionInfo struct {
	Lambdapool string `json:"lambdapool"`
	Go         string `json:"go"`
	Platform   string `json:"platform"`
}

// versions reads what the build has left in this program.
func versions() versionInfo {
	return versionInfo{deploy.Version(), runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH}
}
