// Package registry holds what is known of functions: their names, their shapes and fingerprints, and how
// arguments become bytes and bytes become results. It knows functions without their static types; the
// root's Func[A, R] is the typed handle of one, and its Register is how they come in.
//
// It may know codec, which says what travels, and what turns mistakes into text that helps. Executors,
// calls, backends, options and public errors must never enter: an agent links this package too, and what
// is wrong with a call is a [Problem], of which the root makes the error that programs see.
//
// # The idea
//
// Code does not travel, names do. The same registrations are linked into client and agent, and a call
// carries the name of its function. What two programs could understand differently is the arguments:
// they have no names on the wire, only an order. So a [Function] has three descriptions of itself:
//
//   - its shape, "func(geo.Point) float64", for people and for errors;
//   - its signature, the same with each struct written out, "func(geo.Point{X float64; Y float64})
//     float64", which says all that travels;
//   - its fingerprint, a hash of name and signature, which each call carries. An agent refuses one
//     that is not its own function's, before it decodes anything.
//
// Two builds thus understand each other as far as their functions are alike, function by
// function. A function's body is in none of these: a new one needs no new client.
//
// Errors travel in the same way. A sentinel has a code ([AddError]), and an agent says which codes an
// error matches. A type has a code and a shape ([AddErrorType]), and its fields come along. An agent
// registers all that when it starts cold, so registering is cheap: what may wait, such as the place of
// a registration in a file, waits until an error needs it.
//
// What only clients do is a function and not a method ([Resolve], [Bind], [Encode]): the linker keeps
// exported methods in every agent, used or not, and drops functions. Fields are unexported, since
// package driver's Registry and Function are these types by another name.
package registry
