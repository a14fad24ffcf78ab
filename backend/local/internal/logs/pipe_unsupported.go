//go:build !linux && !darwin

package logs

import (
	"os"
	"syscall"
)

type pipe struct{}

func newPipe(*os.File, func([]byte)) (*pipe, error) { return nil, syscall.ENOSYS }
func (*pipe) follow()                               {}
func (*pipe) drain()                                {}
func (*pipe) close()                                {}
