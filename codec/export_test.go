package codec

import "reflect"

// Scan is scan, for its fuzz test.
var Scan = scan

// SizeOf is sizeOf.
func SizeOf(ts []*Type, vs []reflect.Value) int {
	var roots []root
	for i, t := range ts {
		roots = append(roots, root{t.plan, vs[i]})
	}
	return sizeOf(roots)
}
