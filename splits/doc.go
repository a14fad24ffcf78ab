// Package splits cuts inputs that are larger than a program into parts that travel as arguments:
// the objects of a bucket, files, and URLs. A [Split] is a few words long. It says where its bytes
// are and which of them it means; the function that gets it reads them by itself.
//
//	var count = lambdapool.Register("count", func(ctx context.Context, s splits.Split) (int, error) {
//		n := 0
//		for line, err := range s.Lines(ctx) {
//			if err != nil {
//				return 0, err
//			}
//			n += bytes.Count(line, []byte("error"))
//		}
//		return n, nil
//	}, lambdapool.Idempotent())
//
//	parts, err := splits.Collect(splits.Stored(ctx, pool.Store(), "logs/2026/", splits.Size(64<<20)))
//	counts, err := lambdapool.Map(ctx, pool, count, parts)
//
// # Where inputs come from
//
// [Stored] lists objects of a backend's store, such as an S3 bucket, and signs a link to each. So
// agents need no rights and no SDK. It does the same for any bucket that the client may read, as
// backend.OpenInputs opens it. [Files] takes files of a file system that agents see too: those
// of goroutines and of the embedded Lambda do. [Upload] stores files for agents that do not. [URLs]
// takes what any web server serves in ranges.
//
// # Records and edges
//
// A split is cut at a byte, not at the end of a record. [Split.Lines], [JSONLines] and [Split.CSV]
// follow the rule that Hadoop made the standard: a record belongs to the split in which it begins.
// A reader skips the record that began before its split and reads the last one to its end, past the
// split's. So the records of all splits of an object are those of the object, each once, in order.
//
// Objects that gzip or zstd compressed have no place to begin in the middle, nor has a CSV file
// whose quoted fields may hold newlines: there is one split for each such object.
//
// # What can go wrong
//
// A connection that breaks is taken up where it broke. An object that was replaced since it was
// listed is [ErrChanged], never a mixture of both. A link that has expired is an error that says
// so: a link lives for [LinkLife] or as long as the store can make it. Sources sign when a split is
// taken from them. So a run of any length has links that are fresh when it pulls its input as it goes
// on, as [lambdapool.StreamFrom] does:
//
//	for n, err := range lambdapool.StreamFrom(ctx, pool, count, splits.Stored(ctx, pool.Store(), "logs/")) { … }
//
// A slice that [Collect] has made is as old as its first link.
//
// What the package may know: driver, codec, and the wire of links. It never imports a cloud's SDK,
// since agents link it.
package splits
