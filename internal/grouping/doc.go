// Package grouping puts failures together that have the same cause, for people who look at a
// thousand of them.
//
// [Key] takes out of an error's text what differs from one occurrence to the next: numbers, sizes,
// times, ids, quoted values, paths and URLs. [Groups] counts failures by function and key, keeps
// an example of each group, and is bounded however many different errors there are.
package grouping
