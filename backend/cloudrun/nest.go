package cloudrun

import "github.com/lambdapool/lambdapool/internal/nested"

// Nests reports whether functions can call on the pool that they run in: the program imports
// package backend/cloudrun/nest. It is for executors, which keep workers for such calls. most is how
// many requests all instances of the service take at once; see [WithWorkers].
func (b *Backend) Nests() (most int, ok bool) {
	return b.Limits().Workers, nested.Linked(nested.CloudRun)
}
