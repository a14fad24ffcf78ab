package engine

import "sync/atomic"

// ambient gives what every executor of this process gets.
var ambient atomic.Pointer[func() any]

// SetAmbient has every executor that a program makes from now on get the option that option
// returns, a lambdapool.Option, before those that it is made with. It is for what the environment
// asks for, and not the program. Nil is no option.
func SetAmbient(option func() any) { ambient.Store(&option) }

// Ambient returns the option of [SetAmbient], or nil.
func Ambient() any {
	if option := ambient.Load(); option != nil {
		return (*option)()
	}
	return nil
}
