package ask

import (
	"fmt"
	"maps"
	"slices"

	"github.com/lambdapool/lambdapool/deploy/shared"
)

// Differences names what only one side has, and what both have differently.
func Differences(local, deployed []shared.RegisteredFn) []string {
	shapes := map[string]string{}
	for _, f := range deployed {
		shapes[f.Name] = f.Shape
	}
	var differences []string
	for _, f := range local {
		switch shape, ok := shapes[f.Name]; {
		case !ok:
			differences = append(differences, fmt.Sprintf("%s: client %s, agent has none", f.Name, f.Shape))
		case shape != f.Shape:
			differences = append(differences, fmt.Sprintf("%s: client %s, agent %s", f.Name, f.Shape, shape))
		}
		delete(shapes, f.Name)
	}
	for _, name := range slices.Sorted(maps.Keys(shapes)) {
		differences = append(differences, fmt.Sprintf("%s: client has none, agent %s", name, shapes[name]))
	}
	return differences
}
