// Package quick has what package lambdapool gives to packages of this module, and to nobody else.
package quick

var observe func(observer any) any

// Observe is lambdapool.WithObserver for an observer whose functions return at once: it takes a
// *lambdapool.Observer and returns a lambdapool.CallOption. They hear of invocations in place, without a
// goroutine that could be left behind if one blocked. So a page that hears of ten thousand
// invocations a second costs them little. Of what is rarer, and of errors, whose methods may be the
// program's, they hear as other observers do.
func Observe(observer any) any { return observe(observer) }

// Provide says what Observe does. Package lambdapool calls it when it is initialized.
func Provide(f func(observer any) any) bool {
	observe = f
	return true
}
