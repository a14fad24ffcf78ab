package registry

import (
	"fmt"
	"path/filepath"
	"runtime"
	"unsafe"
)

// A Place is where a function was registered. Naming it waits until somebody asks: an
// agent registers all of its functions before it asks for work.
type Place [1]uintptr

// Caller returns the place skip frames up: 1 is the function that calls Caller.
func Caller(skip int) (p Place) {
	runtime.Callers(skip+1, p[:])
	return p
}

// String names file and line, without the directory: enough to find it, the same on
// every machine.
func (p Place) String() string {
	frame, _ := runtime.CallersFrames(p[:]).Next()
	if frame.File == "" {
		return "unknown"
	}
	return fmt.Sprintf("%s:%d", filepath.Base(frame.File), frame.Line)
}

// closureOf identifies a func value. reflect's Pointer gives the code's
// address, which two closures of one literal share although they compute
// different things; the closure's own address tells them apart. A func is one
// pointer, so an interface holds it in its second word.
func closureOf(fn any) unsafe.Pointer {
	return (*[2]unsafe.Pointer)(unsafe.Pointer(&fn))[1]
}
