package googleapi

import (
	"math"
	"strconv"
	"strings"
)

// Quantity reads a quantity of Kubernetes, such as "512Mi", "2G" or "500m": 0 if it is none.
func Quantity(text string) float64 {
	units := map[string]float64{"": 1, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30, "Ti": 1 << 40}
	number := strings.TrimRight(text, "mkKMGTi")
	unit, known := units[text[len(number):]]
	n, err := strconv.ParseFloat(number, 64)
	if !known || err != nil || n < 0 || n*unit > math.MaxInt64/2 || math.IsNaN(n) {
		return 0
	}
	return n * unit
}
