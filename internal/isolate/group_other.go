//go:build !unix

package isolate

func closeOnExec(int) {}

func killGroup() {}
