package awslambda

import "time"

// SetLambdaClock sets what is known of Lambda's clock.
func SetLambdaClock(b *Backend, ahead time.Duration) { b.clock.ahead.Store(int64(ahead)) }
