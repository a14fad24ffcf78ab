// Package mapreduce runs jobs over inputs that are larger than a program, and whose results depend on all of them: counts,
// sums, joins, sorted tables. A mapper makes keys and values of each input, a reducer makes a result of each key and its values.
//
//	var count = mapreduce.Register("wordcount",
//		func(ctx context.Context, s splits.Split, emit func(string, int)) error {
//			for line, err := range s.Lines(ctx) {
//				if err != nil {
//					return err
//				}
//				for word := range strings.FieldsSeq(string(line)) {
//					emit(word, 1)
//				}
//			}
//			return nil
//		},
//		mapreduce.Sum[string, int], mapreduce.Combine(mapreduce.Add[int]))
//
//	inputs := splits.Stored(ctx, pool.Store(), "logs/2026/")
//	for kv, err := range count.Run(ctx, pool, inputs, mapreduce.Partitions(64)) { … }
//
// # The way of a value
//
// Keys are divided into partitions by a hash, or by their order where [Ranges] says so: that is how inputs are sorted. A mapper's agent combines values in bounded memory, sorts them, and stores one
// object that holds a piece for each partition; several if there is much. Then the reducers' agents each merge the pieces
// of a partition as they read them, and call the reducer key by key. Values do not come by the client: it
// signs links, and sees names and sizes. Agents have no rights of their own.
//
// # What holds
//
// Mappers and reducers may run more than once for the same input, after a crash, or as hedges of
// slow ones. Each attempt stores under a name of its own, and what counts is what the reply names that the pool took. So nothing
// is lost and nothing counts twice.
//
// Memory: a mapper takes about three times [Memory]; a reducer a few megabytes, what its reducer keeps, and with [Job.Run] the results
// of its partition. More than 64 pieces are merged in rounds, by files in the temporary directory. The client
// keeps twelve bytes for each partition of each object that mappers stored, and a link for each of these objects.
//
// Keys are numbers or strings of up to 64 KiB, ordered as [cmp.Compare] orders them; NaN is refused. Values and results are
// what results of calls can be: see package codec.
//
// # Runs that go on without their program
//
// [Job.Start] and [Job.Attach] are a run for which nobody waits: mappers run on when the program has ended, and so do reducers once
// somebody has attached. With [Job.Run], a [Name] and a journal have a run that was killed go on where it was.
//
// # What stays in the store
//
// Nothing, after a run that ended well; and nothing that can be reached after one that failed, unless it has a [Name]: then what it
// stored is there for a run that goes on. All of it is below "mapreduce/". What a program that was killed leaves, and what an
// attempt stores that nobody waits for any more, goes by a lifecycle rule of the bucket: LifecycleRule of awslambda and of
// cloudrun has one for that prefix. Runs that were started with [Job.Start] have all of theirs below "runs/". Other stores need one that expires objects after as many days as a run may take.
//
// A store that makes no forms gives each call links for 16 objects. That is enough unless [Memory] is far too small for an input.
package mapreduce
