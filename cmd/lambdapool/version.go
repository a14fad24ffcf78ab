package main

import (
	"runtime"

	"github.com/lambdapool/lambdapool/deploy"
)

type versionInfo struct {
	Lambdapool string `json:"lambdapool"`
	Go         string `json:"go"`
	Platform   string `json:"platform"`
}

func versions() versionInfo {
	return versionInfo{deploy.Version(), runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH}
}
