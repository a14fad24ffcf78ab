package runlocal

import (
	"cmp"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// This file is a part of Cloud Logging's query language: what is compared with =, "has" with a colon, timestamp>= and
// severity>=, and words and phrases, which an entry has in any of its fields. All must hold. Upper and lower case are one
// but for =.
// https://cloud.google.com/logging/docs/view/logging-query-language, 2026-11

// A condition is a part of a query.
type condition func(*entryJSON) bool

// severities are in their order. DEFAULT is below all.
var severities = []string{"DEFAULT", "DEBUG", "INFO", "NOTICE", "WARNING", "ERROR", "CRITICAL", "ALERT", "EMERGENCY"}

// fieldsOf are those that can be compared.
var fieldsOf = map[string]func(*entryJSON) string{
	"resource.type":                func(e *entryJSON) string { return e.Resource.Type },
	"resource.labels.service_name": func(e *entryJSON) string { return e.Resource.Labels["service_name"] },
	"resource.labels.location":     func(e *entryJSON) string { return e.Resource.Labels["location"] },
	"labels.instanceId":            func(e *entryJSON) string { return e.Labels["instanceId"] },
	"trace":                        func(e *entryJSON) string { return e.Trace },
	"textPayload":                  func(e *entryJSON) string { return e.Text },
	"severity":                     func(e *entryJSON) string { return cmp.Or(e.Severity, severities[0]) },
}

// comparison finds what a part compares; a part without is a word or a phrase.
var comparison = regexp.MustCompile(`^([a-zA-Z_.]+) *(>=|=|:) *(.*)$`)

// A word has no character that means something to the language.
var word = regexp.MustCompile(`^[^\s"()=<>:!~]+$`)

func conditions(filter string) (all []condition, err error) {
	for part := range strings.SplitSeq(filter, " AND ") {
		part = strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(part), "("), ")")
		if part == "" {
			continue
		}
		c, err := conditionOf(part)
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	return all, nil
}

func conditionOf(part string) (condition, error) {
	field, operator, value := "", ":", part
	if compared := comparison.FindStringSubmatch(part); compared != nil {
		field, operator, value = compared[1], compared[2], compared[3]
	}
	if strings.HasPrefix(value, `"`) {
		if err := json.Unmarshal([]byte(value), &value); err != nil {
			return nil, fmt.Errorf("%s: %w", part, err)
		}
	} else if !word.MatchString(value) {
		return nil, fmt.Errorf("%s is not understood here", part)
	}
	of := fieldsOf[field]
	if path, ok := strings.CutPrefix(field, "jsonPayload."); ok {
		of = func(e *entryJSON) string { return e.member(strings.Split(path, ".")) }
	}
	least := slices.Index(severities, strings.ToUpper(value))
	switch from, err := time.Parse(time.RFC3339Nano, value); {
	case field == "timestamp" && operator == ">=" && err == nil:
		return func(e *entryJSON) bool { return !e.Time.Before(from) }, nil
	case field == "severity" && operator == ">=" && least >= 0:
		return func(e *entryJSON) bool { return slices.Index(severities, of(e)) >= least }, nil
	case of != nil && operator == "=":
		return func(e *entryJSON) bool { return of(e) == value }, nil
	case of != nil && operator == ":":
		return func(e *entryJSON) bool { return within(value, of(e)) }, nil
	case field == "":
		return func(e *entryJSON) bool {
			return slices.ContainsFunc(e.texts(), func(text string) bool { return within(value, text) })
		}, nil
	}
	return nil, fmt.Errorf("%s is not understood here", part)
}

// within ignores case.
func within(part, text string) bool {
	return strings.Contains(strings.ToLower(text), strings.ToLower(part))
}

// texts are what a word is looked for in.
func (e *entryJSON) texts() []string {
	all := []string{e.LogName, e.Text}
	for _, of := range fieldsOf {
		all = append(all, of(e))
	}
	if e.JSON != nil {
		fields, _ := json.Marshal(e.JSON) //nolint:errchkjson // it was JSON
		all = append(all, string(fields))
	}
	if e.HTTP != nil {
		all = append(all, e.HTTP.Method, e.HTTP.URL)
	}
	return all
}
