package local

// Nests reports whether functions can call on the pool that they run in: the program imports
// package backend/awslambda/nest. It is for executors, which keep workers for such calls. most is
// what [WithConcurrency] says.
func (b *Backend) Nests() (most int, ok bool) {
	_, ok = b.client.Nests()
	return b.cfg.concurrency, ok
}
