// Package claims checks claims one after another, and writes down what was seen. It is what the smoke tests of all clouds
// have in common, and knows none of them.
package claims

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
)

// A Row is a claim of docs/not-proven.md, and how it is checked. What Check returns says what was there,
// whether it is what we claim or not.
type Row struct {
	Claim string
	Check func(ctx context.Context) (seen string, err error)
}

// A Report is what can be attached to an issue. It holds no account's number, no key and no name.
// What was seen is written down as it was, so that a reader can judge it without the program.
type Report struct {
	Began    time.Time `json:"began"`
	Region   string    `json:"region"`
	Endpoint string    `json:"endpoint"` // the cloud, or that it was not
	Rows     []Outcome `json:"rows"`
	Left     []string  `json:"left,omitempty"` // what could not be removed
}

// An Outcome is one row of the report. Seen has the numbers, or why the claim does not hold.
type Outcome struct {
	Claim   string  `json:"claim"`
	Holds   bool    `json:"holds"`
	Seen    string  `json:"seen"`
	Seconds float64 `json:"seconds"`
}

// rowTime is how long one claim may take.
const rowTime = 10 * time.Minute

// Check checks one claim. What was interrupted says nothing, and is left out.
func (r *Report) Check(ctx context.Context, c Row) {
	limited, cancel := context.WithTimeout(ctx, rowTime)
	defer cancel()
	began := time.Now()
	seen, err := c.Check(limited)
	if err != nil && ctx.Err() != nil {
		return
	}
	o := Outcome{Claim: c.Claim, Holds: err == nil, Seen: seen, Seconds: time.Since(began).Seconds()}
	if err != nil {
		o.Seen = strings.TrimPrefix(seen+"; "+err.Error(), "; ")
	}
	r.Rows = append(r.Rows, o)
	fmt.Fprintf(os.Stderr, "smoke: %-7s %s: %s\n", verdict(o.Holds), o.Claim, o.Seen)
}

func verdict(holds bool) string {
	if holds {
		return "holds"
	}
	return "DIFFERS"
}

// Failed is how many claims do not hold.
func (r *Report) Failed() (n int) {
	for _, o := range r.Rows {
		if !o.Holds {
			n++
		}
	}
	return n
}

// Write makes NAME.md and NAME.json.
func (r *Report) Write(name string) error {
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return errors.Join(os.WriteFile(name+".json", append(data, '\n'), 0o600), os.WriteFile(name+".md", []byte(r.markdown()), 0o600))
}

// markdown is the report for people, as one table.
func (r *Report) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Smoke test\n\n%s, region %s, against %s. %d of %d claims hold.\n\n| claim | | seen | s |\n|---|---|---|---|\n",
		r.Began.UTC().Format("2006-01-02 15:04Z"), r.Region, r.Endpoint, len(r.Rows)-r.Failed(), len(r.Rows))
	cell := strings.NewReplacer("|", "\\|", "\n", " ")
	for _, o := range r.Rows {
		fmt.Fprintf(&b, "| %s | %s | %s | %.1f |\n", cell.Replace(o.Claim), verdict(o.Holds), cell.Replace(o.Seen), o.Seconds)
	}
	if len(r.Left) > 0 {
		fmt.Fprintf(&b, "\nNot removed: %s\n", strings.Join(r.Left, ", "))
	}
	return b.String()
}
