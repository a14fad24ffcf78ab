package schedule

// The constants of the window law: how far a stream may be ahead of its consumer, where
// its user does not say. What is in flight and does not keep anybody busy only takes memory.
const (
	// ChunksPerWindow is how many chunks of each worker a window has room for: one in
	// flight and one that waits.
	ChunksPerWindow = 2
	// WindowMax bounds a window in items.
	WindowMax = 1 << 17
	// clientRate is how many items a second a client encodes, sends and decodes, at best.
	clientRate = 1.5e6
	// flightsPerWindow is how many times what keeps such a client busy may be ahead: results
	// wait for earlier ones.
	flightsPerWindow = 2
	// flightMax bounds the items in flight for the sake of latency alone.
	flightMax = 1 << 15
	// cheapItem is up to how many seconds an item counts as nothing: on a busy machine
	// nothing takes less.
	cheapItem = 10e-6
	// smallChunk is what an invocation carries although the window is small: it costs the
	// client as much as some dozens of items. Fewer are in flight instead, but fewChunks.
	smallChunk = 256
	fewChunks  = 4
)

// Window returns how many items a stream may be ahead of its consumer, and how many of
// the n that the next invocation should carry it carries then, with that many workers.
//
// By Little's law, a client at its best has as many items in flight as it can do while an
// invocation lasts. More cannot make the stream faster.
func (c *Chunker) Window(n, workers int) (window, size int) {
	workers = max(workers, 1)
	work := float64(n) * max(c.item-cheapItem, 0)
	flight := min(c.latency*clientRate, flightMax) + work*clientRate
	window = int(min(flightsPerWindow*flight, WindowMax))
	size = min(n, max(window/(ChunksPerWindow*workers), 1))
	if window < WindowMax { // not every worker is needed
		size = min(n, max(size, smallChunk))
	}
	window = max(window, ChunksPerWindow*size*min(workers, fewChunks))
	return min(window, ChunksPerWindow*size*workers, WindowMax), size
}
