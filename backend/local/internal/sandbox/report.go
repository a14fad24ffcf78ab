package sandbox

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"time"
)

// report ends the invocation's log and returns its tail.
func (s *Sandbox) report(inv *Invocation, took time.Duration, cold bool, initTime time.Duration, status, errType string) []byte {
	limit := s.pool.memory.limit
	used := min(s.sampled.Load(), limit)
	if s.why() == stopMemory || s.starved.Load() {
		used = limit
	}
	s.logs.Drain()
	s.logs.Notef("END RequestId: %s", inv.ID)
	var b strings.Builder
	fmt.Fprintf(&b, "REPORT RequestId: %s\tDuration: %s ms\tBilled Duration: %d ms\tMemory Size: %d MB\tMax Memory Used: %d MB\t",
		inv.ID, millis(took), billed(took+initTime), limit>>20, (used+1<<20-1)>>20)
	if cold {
		fmt.Fprintf(&b, "Init Duration: %s ms\t", millis(initTime))
	}
	if status != "" {
		fmt.Fprintf(&b, "Status: %s\t", status)
	}
	if status == "error" {
		fmt.Fprintf(&b, "Error Type: %s\t", errType)
	}
	s.logs.Notef("%s", b.String())
	return s.logs.Cut()
}

// ErrorBody is the payload of a function error that the platform made.
func ErrorBody(errType, format string, args ...any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(struct {
		Type    string `json:"errorType"`
		Message string `json:"errorMessage"`
	}{errType, fmt.Sprintf(format, args...)}); err != nil {
		panic(err) // two strings always encode
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// millis prints a duration as REPORT does.
func millis(d time.Duration) string {
	return fmt.Sprintf("%.2f", float64(d)/float64(time.Millisecond))
}

// billed rounds up to the millisecond that is charged; INIT counts since 2025-08:
// https://aws.amazon.com/blogs/compute/aws-lambda-standardizes-billing-for-init-phase/
func billed(d time.Duration) int64 {
	return int64(math.Ceil(float64(d) / float64(time.Millisecond)))
}
