package english

import (
	"strconv"
	"time"
)

// Length writes a duration in three digits: 4.56 µs, 12.3 ms, 1.20 s, 2m03s, 1h05m.
func Length(d time.Duration) string {
	switch {
	case d <= 0:
		return "0"
	case d < time.Microsecond:
		return strconv.FormatInt(int64(d), 10) + " ns"
	case d < 999500*time.Nanosecond:
		return digits(float64(d)/1e3) + " µs"
	case d < 999500*time.Microsecond:
		return digits(float64(d)/1e6) + " ms"
	case d < 99500*time.Millisecond:
		return digits(d.Seconds()) + " s"
	}
	s := int64(d.Round(time.Second) / time.Second)
	two := func(n int64) string { return string([]byte{'0' + byte(n/10), '0' + byte(n%10)}) }
	if s < 60*60 {
		return strconv.FormatInt(s/60, 10) + "m" + two(s%60) + "s"
	}
	return Number(s/3600) + "h" + two(s/60%60) + "m"
}

// Size writes bytes in decimal units.
func Size(bytes int64) string {
	x := float64(bytes)
	for _, unit := range []string{"B", "kB", "MB", "GB", "TB"} {
		if x < 999.5 || unit == "TB" {
			if unit == "B" {
				return strconv.FormatInt(bytes, 10) + " B"
			}
			return digits(x) + " " + unit
		}
		x /= 1000
	}
	return ""
}

// digits writes at least three of them.
func digits(x float64) string {
	switch {
	case x < 9.995:
		return strconv.FormatFloat(x, 'f', 2, 64)
	case x < 99.95:
		return strconv.FormatFloat(x, 'f', 1, 64)
	default:
		return Number(int64(x + 0.5))
	}
}
