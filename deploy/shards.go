package deploy

import (
	"context"
	"slices"
	"strings"

	"github.com/lambdapool/lambdapool/internal/shards"
)

// checkShards refuses numbers and names that cannot be.
func (s *Spec) checkShards() error {
	n := s.Shards
	switch last := shards.Name(s.Name, n-1); {
	case n < 0 || n > MaxShards:
		return invalid("%d shards: must be 1 to %d", n, MaxShards)
	case n > 1 && len(last) > maxNameLen:
		return invalid("function name %q: the last of %d shards would be called %s, and Lambda allows %d characters", s.Name, n, last, maxNameLen)
	}
	if r := s.ReservedConcurrency; r != nil && *r > 0 && *r < n {
		return invalid("reserved concurrency %d: it is shared out to %d shards, and each needs one", *r, n)
	}
	return nil
}

// shards is how many functions are meant.
func (s *Spec) shards() int {
	if _, n, ok := shards.ParseMark(s.mark); ok {
		return n
	}
	return max(s.Shards, 1)
}

// base is the name that the shards are known by.
func (s *Spec) base() string {
	base, _, _ := shards.Of(s.Name, s.mark)
	return base
}

// shardOf is what is wanted of shard i. A reserved concurrency is shared out.
func (s *Spec) shardOf(i int) *Spec {
	n := s.shards()
	if n == 1 {
		return s
	}
	own := *s
	own.Name, own.mark = shards.Name(s.Name, i), shards.Mark(i, n)
	if r := s.ReservedConcurrency; r != nil && *r > 0 {
		part := *r / n
		if i < *r%n {
			part++
		}
		own.ReservedConcurrency = &part
	}
	return &own
}

// others returns the shards of a function beside itself. One that is missing is nil.
func (c *Client) others(ctx context.Context, f *Function) ([]*Function, error) {
	var all []*Function
	for i := 1; i < f.Shards; i++ {
		other, err := c.get(ctx, shards.Name(f.Name, i), "")
		switch {
		case code(err) == notFound:
			all = append(all, nil)
		case err != nil:
			return nil, err
		default:
			all = append(all, &other)
		}
	}
	return all, nil
}

// uneven says in what the others differ from f, or nothing.
func uneven(f *Function, others []*Function) string {
	var found []string
	for i, other := range others {
		name := shards.Name(f.Name, i+1)
		var differs []string
		switch {
		case other == nil:
			found = append(found, name+" is missing")
			continue
		case other.base != f.Name || other.Shards != f.Shards:
			found = append(found, name+" is no shard of it")
			continue
		}
		for _, d := range []struct {
			what string
			yes  bool
		}{
			{"code", other.CodeSHA256 != f.CodeSHA256},
			{"memory", other.Memory != f.Memory},
			{"timeout", other.Timeout != f.Timeout},
			{"role", other.Role != f.Role},
			{"environment", !sameEnv(other, f)},
		} {
			if d.yes {
				differs = append(differs, d.what)
			}
		}
		if len(differs) > 0 {
			found = append(found, name+" has another "+strings.Join(differs, ", "))
		}
		if !callable(other) {
			found = append(found, name+" is "+strings.ToLower(other.State))
		}
	}
	return strings.Join(found, "; ")
}

// sameEnv compares what is of the user's, and the commit.
func sameEnv(a, b *Function) bool {
	for _, pair := range [][2]*Function{{a, b}, {b, a}} {
		for name, value := range pair[0].Env {
			if have, ok := pair[1].Env[name]; name != shards.Variable && (!ok || have != value) {
				return false
			}
		}
	}
	return true
}

// together makes of a function, and what is known of its shards, what stands for all of them.
func together(f *Function, others []*Function) {
	f.Uneven = uneven(f, others)
	f.EnvNames = slices.DeleteFunc(f.EnvNames, func(name string) bool { return name == shards.Variable })
	for _, other := range others {
		if f.Reserved != nil && other != nil && other.Reserved != nil {
			sum := *f.Reserved + *other.Reserved
			f.Reserved = &sum
		}
	}
}

// names are those of the function and its shards.
func (f *Function) names() []string {
	all := []string{f.Name}
	for i := 1; i < f.Shards; i++ {
		all = append(all, shards.Name(f.Name, i))
	}
	return all
}

// shardSets gathers shards from a list, which has them in any order.
type shardSets struct {
	found map[string][]*Function // by the name that they are known by
	order []string
}

// add returns what a function stands for when nothing of that is missing any more.
func (s *shardSets) add(f Function) (_ Function, whole bool) {
	if f.Shards == 0 {
		return f, true
	}
	if s.found == nil {
		s.found = map[string][]*Function{}
	}
	if s.found[f.base] == nil {
		s.order = append(s.order, f.base)
	}
	set := append(s.found[f.base], &f)
	s.found[f.base] = set
	if len(set) < f.Shards {
		return Function{}, false
	}
	delete(s.found, f.base)
	return joined(set)[0], true
}

// rest returns those of whose sets some are missing.
func (s *shardSets) rest() (all []Function) {
	for _, base := range s.order {
		if set := s.found[base]; set != nil {
			all = append(all, joined(set)...)
		}
	}
	return all
}

// joined makes one of a set. Without the one that they are known by, each stands for itself.
func joined(set []*Function) []Function {
	i := slices.IndexFunc(set, func(f *Function) bool { return f.shard == 0 })
	if i < 0 {
		var all []Function
		for _, f := range set {
			f.Uneven = f.base + " is missing, of which it is a shard"
			all = append(all, *f)
		}
		return all
	}
	first := set[i]
	others := make([]*Function, first.Shards-1)
	for _, f := range set {
		if f.shard > 0 && f.shard < first.Shards {
			others[f.shard-1] = f
		}
	}
	together(first, others)
	return []Function{*first}
}
