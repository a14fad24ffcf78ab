//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package journal

import "os"

// syncDirectory does nothing: these systems have no such thing, or need none.
func syncDirectory(string) error { return nil }

// unlock does nothing: closing the file gives up its locks.
func unlock(*os.File) {}
