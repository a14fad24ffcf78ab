package main

import "testing"

// BenchmarkCall is one call over TLS to a server in a process of its own: the allocations are the client's alone.
func BenchmarkCall(b *testing.B) {
	server, err := startServer(b.Context(), setting{})
	if err != nil {
		b.Fatal(err)
	}
	defer server.stop()
	clients, err := newClients(b.Context(), server, 256)
	if err != nil {
		b.Fatal(err)
	}
	for _, c := range clients {
		defer c.close()
	}
	for _, c := range clients {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := c.call(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkInFlight is BenchmarkCall with 256 calls in flight and 20 ms in the server: for profiles.
func BenchmarkInFlight(b *testing.B) {
	server, err := startServer(b.Context(), setting{Think: 20e6})
	if err != nil {
		b.Fatal(err)
	}
	defer server.stop()
	clients, err := newClients(b.Context(), server, 256)
	if err != nil {
		b.Fatal(err)
	}
	for _, c := range clients {
		defer c.close()
	}
	for _, c := range clients {
		b.Run(c.name, func(b *testing.B) {
			if _, err := measure(b.Context(), c.call, params{inflight: 256, slice: 1e9}); err != nil {
				b.Fatal(err)
			}
			s, err := measure(b.Context(), c.call, params{inflight: 256, slice: 10e9})
			if err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(s.cpu.Nanoseconds())/1e3, "cpu-µs/call")
			b.ReportMetric(s.rate, "calls/s")
		})
	}
}
