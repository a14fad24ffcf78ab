package splits

import "time"

// CloseIdle ends connections that a test's server waits for.
func CloseIdle() { network.(interface{ CloseIdleConnections() }).CloseIdleConnections() }

// LongestRecord is MaxRecord in tests.
const LongestRecord = 1 << 20

func init() { readPause, maxRecord = time.Microsecond, LongestRecord }
