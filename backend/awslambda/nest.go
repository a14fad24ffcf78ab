package awslambda

import "github.com/lambdapool/lambdapool/internal/nested"

// Nests reports whether functions can call on the pool that they run in: the program imports
// package backend/awslambda/nest. It is for executors, which keep workers for such calls. How many
// invocations there can be at once is not known here, which most = 0 says: it is the account's.
func (b *Backend) Nests() (most int, ok bool) { return 0, nested.Linked(nested.Lambda) }
