package shards

import (
	"strconv"
	"strings"
)

// How deployed shards say what they are: a variable of their environment, which lists and clients see, and a tag of
// the same value, for people. Both hold a mark: "0/10" for the first of ten.
const (
	Variable = "LAMBDAPOOL_SHARD"
	Tag      = "lambdapool-shard"
)

// Most is how many shards a function may have: 20,000 environments at once are above what accounts have, and the policy of
// the shards' role, which names each of them, stays below IAM's limit. With the right to call themselves it stays so but for
// the longest names, which package deploy refuses.
const Most = 20

// Name returns the name of a shard: NAME is the first, then NAME-1 and so on.
func Name(base string, i int) string {
	if i == 0 {
		return base
	}
	return base + "-" + strconv.Itoa(i)
}

// Mark returns what says that a function is shard i of n.
func Mark(i, n int) string { return strconv.Itoa(i) + "/" + strconv.Itoa(n) }

// ParseMark reads a mark. ok is false for everything else.
func ParseMark(mark string) (i, n int, ok bool) {
	first, second, found := strings.Cut(mark, "/")
	i, err1 := strconv.Atoi(first)
	n, err2 := strconv.Atoi(second)
	if !found || err1 != nil || err2 != nil || n < 2 || n > Most || i < 0 || i >= n || mark != Mark(i, n) {
		return 0, 0, false
	}
	return i, n, true
}

// Of returns the name that a function's shards are known by, and how many they are: what its own name and mark say.
// A function without a mark, or whose name does not fit it, stands for itself.
func Of(name, mark string) (base string, i, n int) {
	i, n, ok := ParseMark(mark)
	if !ok {
		return name, 0, 1
	}
	base = name
	if i > 0 {
		if base, ok = strings.CutSuffix(name, "-"+strconv.Itoa(i)); !ok || base == "" {
			return name, 0, 1
		}
	}
	return base, i, n
}
