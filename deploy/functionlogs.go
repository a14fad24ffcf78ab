package deploy

import (
	"encoding/json"
	"strings"
)

// ofFunction reports whether q selects lines of functions by their fields.
func ofFunction(q *LogQuery) bool { return q.Run != "" || q.Item != nil }

// wants reports whether an entry is a line of the run and the item that q selects, or q selects none.
func wants(q *LogQuery, text string) bool {
	if !ofFunction(q) {
		return true
	}
	var line struct {
		Whose *struct {
			Run  string `json:"run"`
			Item *int   `json:"item"`
		} `json:"lambdapool"`
	}
	if !strings.HasPrefix(text, "{") || json.Unmarshal([]byte(text), &line) != nil || line.Whose == nil {
		return false
	}
	return (q.Run == "" || line.Whose.Run == q.Run) && (q.Item == nil || line.Whose.Item != nil && *line.Whose.Item == *q.Item)
}
