// Package share gives every call of a run a large value that is the same for all of them: a model, an index, a
// reference genome. It is stored once, and loaded once by each agent.
//
//	model, err := share.Put(ctx, pool, load("model.bin")) // in the client, once
//	if err != nil { … }
//	scores, err := lambdapool.Map(ctx, pool, score, requests(model, inputs))
//
//	var score = lambdapool.Register("score", func(ctx context.Context, r Request) (float64, error) {
//		model, err := r.Model.Get(ctx) // a share.Value[Model]; the first call of an agent loads it
//		if err != nil {
//			return 0, err
//		}
//		return model.Score(r.Input), nil
//	}, lambdapool.Idempotent())
//
// As an argument of each call the value itself would be encoded, sent and decoded as many times as there are calls.
// Here what is read from the store is its size times the number of agents. For inputs of which each call
// reads another part there is package splits.
//
// # What travels
//
// A [Value] is a few hundred bytes: where the object is, its SHA-256, its type, and a link to read it, which is a
// credential. Agents need no rights. The link lives for [splits.LinkLife], or as long as the store can make it. A
// program that runs longer calls [Put] again: what is there already is not stored again, and agents
// know the value by what it is, not by its link.
//
// # In the agent
//
// All calls of a process get the same value, also those that run at the same time: it must not be written to. It
// stays in memory until the room is needed for another one, see [Value.Get].
//
// # What stays in the store
//
// The object, until [Delete] or a lifecycle rule of the bucket removes it. It is below "shared/", and no other
// object of this project is.
package share
