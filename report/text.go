package report

import (
	"strings"
)

// title is Title, or the names of the first three functions.
func (r *Report) title() string {
	if r.Title != "" {
		return r.Title
	}
	names := make([]string, 0, 3)
	for i, f := range r.Functions {
		if i == cap(names) {
			return strings.Join(names, ", ") + ", …"
		}
		names = append(names, orUnnamed(f.Name))
	}
	if len(names) == 0 {
		return "no invocations"
	}
	return strings.Join(names, ", ")
}

// orUnnamed keeps a label from being empty.
func orUnnamed(name string) string {
	if name == "" {
		return "(unnamed)"
	}
	return name
}
