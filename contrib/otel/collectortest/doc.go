// Package collectortest has contrib/otel's spans and metrics taken by an OpenTelemetry collector: the released one,
// which runs in the test's process. It has no code but tests.
package collectortest
