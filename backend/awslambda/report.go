package awslambda

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"
)

// A report is what Lambda's own lines in a log tail say about an invocation.
// What they do not say is zero.
type report struct {
	duration   time.Duration
	billed     time.Duration
	init       time.Duration // cold start: initialisation, or the restore of a snapshot
	memory     int64         // bytes, the limit
	peak       int64         // bytes
	complete   bool          // the report itself was in the tail
	initFailed bool          // the environment did not come up, so nothing ran
}

// parseReport reads the tail of a log in Lambda's text or JSON format. A later
// line wins: the platform's come after whatever the function printed.
func parseReport(tail string) report {
	var r report
	var initPhase string // in which initialisation failed
	for line := range strings.Lines(tail) {
		switch line = strings.TrimSpace(line); {
		case strings.HasPrefix(line, "REPORT "):
			r.text(line)
		case strings.HasPrefix(line, "INIT_REPORT "):
			initPhase = ""
			if strings.Contains(line, "Status: ") {
				initPhase = textPhase(line)
			}
		case strings.HasPrefix(line, "{") && strings.Contains(line, `"platform.`):
			r.json(line, &initPhase)
		}
	}
	// What fails before the invocation is tried once more within it. Only the
	// second failure, or an invocation that took no time, means that nothing ran.
	r.initFailed = initPhase == "invoke" || initPhase != "" && r.complete && r.duration == 0
	return r
}

// textPhase reads "…\tPhase: init\t…".
func textPhase(line string) string {
	_, after, _ := strings.Cut(line, "Phase: ")
	phase, _, _ := strings.Cut(after, "\t")
	return strings.TrimSpace(phase)
}

// text reads "REPORT RequestId: …\tDuration: 3.45 ms\tBilled Duration: 4 ms\t…".
func (r *report) text(line string) {
	*r = report{complete: true}
	for field := range strings.SplitSeq(line, "\t") {
		key, value, ok := strings.Cut(strings.TrimSpace(field), ": ")
		if !ok {
			continue
		}
		number, unit, ok := strings.Cut(value, " ")
		if !ok {
			continue // an id: the error of reading it as a number would be two allocations for each call
		}
		n, err := strconv.ParseFloat(number, 64)
		if err != nil || n < 0 {
			continue
		}
		switch key + " " + unit {
		case "Duration ms":
			r.duration = milliseconds(n)
		case "Billed Duration ms":
			r.billed = milliseconds(n)
		case "Init Duration ms", "Restore Duration ms":
			r.init = milliseconds(n)
		case "Memory Size MB":
			r.memory = megabytes(n)
		case "Max Memory Used MB":
			r.peak = megabytes(n)
		}
	}
}

// json reads a platform.report or platform.initReport event.
func (r *report) json(line string, initPhase *string) {
	var event struct {
		Type   string `json:"type"`
		Record struct {
			Phase   string `json:"phase"`
			Status  string `json:"status"`
			Metrics struct {
				Duration float64 `json:"durationMs"`
				Billed   float64 `json:"billedDurationMs"`
				Init     float64 `json:"initDurationMs"`
				Restore  float64 `json:"restoreDurationMs"`
				Memory   float64 `json:"memorySizeMB"`
				Peak     float64 `json:"maxMemoryUsedMB"`
			} `json:"metrics"`
		} `json:"record"`
	}
	if json.Unmarshal([]byte(line), &event) != nil {
		return // cut off, or the function's own line
	}
	switch m := event.Record.Metrics; event.Type {
	case "platform.report":
		*r = report{
			complete: true, duration: milliseconds(m.Duration), billed: milliseconds(m.Billed), init: milliseconds(m.Init + m.Restore),
			memory: megabytes(m.Memory), peak: megabytes(m.Peak),
		}
	case "platform.initReport":
		*initPhase = ""
		if event.Record.Status != "success" {
			*initPhase = event.Record.Phase
		}
	}
}

// milliseconds is a duration as Lambda writes it.
func milliseconds(n float64) time.Duration {
	return time.Duration(clamp(n, 1e9) * float64(time.Millisecond))
}

// megabytes is memory as Lambda counts it: an MB is 1,048,576 bytes.
func megabytes(n float64) int64 { return int64(clamp(n, 1e9)) << 20 }

// clamp brings a number from the network between 0 and most; NaN becomes 0.
func clamp(n, most float64) float64 {
	if n > 0 {
		return min(n, most)
	}
	return 0
}
