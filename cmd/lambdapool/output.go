package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/lambdapool/lambdapool/internal/legible"
)

// print writes v as JSON, or what text writes for people. The keys of the JSON are what scripts
// rely on: they may become more, and are not renamed.
func (a *app) print(v any, text func(w io.Writer)) error {
	if !a.json {
		text(a.stdout)
		return nil
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		return err
	}
	_, err := a.stdout.Write(legible.JSON(b.Bytes()))
	return err
}

// table writes rows in columns. The first one is the heading. Cells may be of any origin.
func table(w io.Writer, rows [][]string) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		cells := make([]string, len(row))
		for i, cell := range row {
			cells[i] = legible.Line(strings.ReplaceAll(cell, "\t", " "))
		}
		fmt.Fprintln(t, strings.TrimRight(strings.Join(cells, "\t"), "\t"))
	}
	_ = t.Flush() // who does not read the table does not miss it
}

// megabytes is for sizes of code. An MB is 1,048,576 bytes, as Lambda counts.
func megabytes(bytes int64) string { return fmt.Sprintf("%.1f MB", float64(bytes)/(1<<20)) }

// or is s, or what stands for an empty one.
func or(s, fallback string) string {
	if s == "" {
		return fallback
	}
	return s
}
