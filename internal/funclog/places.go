package funclog

// Places writes where n items are in an input, for a [codec.Logs]: runs of places that follow each other.
func Places(n int, at func(i int) int) []int {
	var places []int
	for i := range n {
		if last := len(places); i > 0 && at(i) == at(i-1)+1 {
			places[last-1]++
		} else {
			places = append(places, at(i), 1)
		}
	}
	return places
}

// Place returns where the n'th item is, from 0, and -1 where places does not say.
func Place(places []int, n int) int {
	for ; len(places) > 1; places = places[2:] {
		if n < places[1] {
			return places[0] + n
		}
		n -= places[1]
	}
	return -1
}
