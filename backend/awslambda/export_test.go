package awslambda

import "time"

// SetGuardMargin makes overdue replies overdue sooner. Not during a call.
func SetGuardMargin(b *Backend, d time.Duration) { b.guard.margin = d }
