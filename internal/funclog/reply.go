package funclog

import (
	"log/slog"
	"strings"

	"github.com/lambdapool/lambdapool/codec"
	"github.com/lambdapool/lambdapool/internal/english"
	"github.com/lambdapool/lambdapool/internal/legible"
)

// countRoom is what it takes in a reply to say that lines were dropped, in bytes.
const countRoom = 12

// Fit makes logs take no more than room bytes of a reply. Items that failed come first, and of each
// item the newest lines. What has no room is counted, as far as there is room for the count.
func Fit(items []codec.ItemReply, room int) {
	for _, failed := range []bool{true, false} {
		for i := range items {
			if logs := items[i].Logs; logs != nil && (items[i].Err != nil) == failed {
				items[i].Logs = fit(logs, &room)
			}
		}
	}
}

func fit(logs *codec.LogLines, room *int) *codec.LogLines {
	if *room -= countRoom; *room < 0 {
		return nil
	}
	first := len(logs.Lines)
	for first > 0 && size(&logs.Lines[first-1]) <= *room {
		first--
		*room -= size(&logs.Lines[first])
	}
	return &codec.LogLines{Lines: logs.Lines[first:], Dropped: logs.Dropped + first}
}

// Lines returns what came back as text: a line each, oldest first. The first says what is missing.
func Lines(logs *codec.LogLines) []string {
	if logs == nil {
		return nil
	}
	var lines []string
	if logs.Dropped > 0 {
		lines = append(lines, "("+english.Count(logs.Dropped, "line")+" before had no room)")
	}
	for i := range logs.Lines {
		line := &logs.Lines[i]
		words := []string{stamp(line.At), slog.Level(line.Level).String(), line.Text}
		for n := 0; n+1 < len(line.Attrs); n += 2 {
			words = append(words, line.Attrs[n]+"="+line.Attrs[n+1])
		}
		lines = append(lines, legible.Line(strings.Join(words, " ")))
	}
	return lines
}

// Tail is [Lines] as one text.
func Tail(logs *codec.LogLines) string { return strings.Join(Lines(logs), "\n") }
