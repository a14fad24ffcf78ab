package controlplane

import (
	"debug/elf"
	"debug/macho"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"github.com/lambdapool/lambdapool/backend/local/internal/wire"
)

// How Lambda calls the architectures.
const (
	archX86 = "x86_64"
	archARM = "arm64"
)

// machineArch is this machine's, empty for one that Lambda does not have.
func machineArch() string {
	return map[string]string{"amd64": archX86, "arm64": archARM}[runtime.GOARCH]
}

// checkProgram refuses a bootstrap that is built for another machine than this
// one. What is no binary at all, such as a script, may pass.
func (c *code) checkProgram() *wire.Refusal {
	built := builtFor(filepath.Join(c.dir, bootstrap))
	machine := runtime.GOOS + "/" + runtime.GOARCH
	if built == "" || built == machine {
		return nil
	}
	return wire.InvalidParameter(fmt.Sprintf("lambdapool: local: bootstrap is built for %s and this machine is %s: build it with GOOS=%s GOARCH=%s, and create the function with architecture %s",
		built, machine, runtime.GOOS, runtime.GOARCH, machineArch()))
}

// builtFor returns the GOOS/GOARCH of a binary, empty for what is none.
func builtFor(path string) string {
	file, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer file.Close() //nolint:errcheck // it was only read
	if f, err := elf.NewFile(file); err == nil {
		switch f.Machine {
		case elf.EM_X86_64:
			return "linux/amd64"
		case elf.EM_AARCH64:
			return "linux/arm64"
		default:
			return "linux/" + f.Machine.String()
		}
	}
	if f, err := macho.NewFile(file); err == nil {
		switch f.Cpu {
		case macho.CpuAmd64:
			return "darwin/amd64"
		case macho.CpuArm64:
			return "darwin/arm64"
		default:
			return "darwin/" + f.Cpu.String()
		}
	}
	return ""
}
