//go:build !unix

package backendtest

// stopProcess blocks for good: there is no way to freeze a process here.
func stopProcess() { select {} }
