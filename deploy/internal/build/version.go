package build

import "runtime/debug"

const module = "github.com/lambdapool/lambdapool"

// Version is the version of lambdapool that this program was built with, "devel" in its own source tree.
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "devel"
	}
	modules := append([]*debug.Module{&info.Main}, info.Deps...)
	for _, m := range modules {
		if m.Path == module && m.Version != "" && m.Version != "(devel)" {
			return m.Version
		}
	}
	return "devel"
}
