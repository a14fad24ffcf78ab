// Package quick has what package lambdapool gives to packages of this module, and to nobody else.
package quick

// Observe is lambdapool.WithObserver for an observer whose functions return at once: it takes a
// *lambdapool.Observer and returns a lambdapool.CallOption. They are called in place, without a
// goroutine that could be left behind if one blocked. So a page that hears of ten thousand
// invocations a second costs them little. Package lambdapool sets it.
var Observe func(observer any) any
