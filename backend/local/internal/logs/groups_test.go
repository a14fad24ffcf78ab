package logs

import (
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestPatterns(t *testing.T) {
	t.Parallel()
	const message = `ERROR [main] could not "connect" to 10.0.0.1`
	for text, want := range map[string]bool{
		"":                     true,
		"  ":                   true,
		"ERROR":                true,
		"error":                false,
		"ERROR main":           true,
		"main ERROR":           true,
		"ERROR WARN":           false,
		`"could not"`:          true,
		`"not could"`:          false,
		`"\"connect\""`:        true,
		"ERROR -connect":       false,
		"ERROR -refused":       true,
		"?WARN ?ERROR":         true,
		"?WARN ?INFO":          false,
		`-"could not"`:         false,
		`?"[main]" ?"[other]"`: true,
	} {
		p, ok := parsePattern(text)
		if !ok || p.match(message) != want {
			t.Errorf("%q: understood %t, matches %t, want %t", text, ok, p.match(message), want)
		}
	}
	for _, text := range []string{`{ $.level = "ERROR" }`, "[a, b]", "%regex%", `"no end`, "-", "ERROR ?"} {
		if p, ok := parsePattern(text); ok {
			t.Errorf("%q is understood as %+v", text, p)
		}
	}
}

// ask has an operation done.
func ask(t *testing.T, l *Groups, operation, body string) (status int, answer string) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), "POST", "/", nil)
	r.Header.Set("X-Amz-Target", "Logs_20140328."+operation)
	w := httptest.NewRecorder()
	l.Serve(w, r, []byte(body))
	return w.Code, w.Body.String()
}

// filtered are the messages that FilterLogEvents finds, and its token.
func filtered(t *testing.T, l *Groups, body string) (all []string, token string) {
	t.Helper()
	status, answer := ask(t, l, "FilterLogEvents", body)
	var said struct {
		Events []struct {
			Message string `json:"message"`
		} `json:"events"`
		Next string `json:"nextToken"`
	}
	if err := json.Unmarshal([]byte(answer), &said); err != nil || status != 200 {
		t.Fatalf("%s: %d %s: %v", body, status, answer, err)
	}
	for _, e := range said.Events {
		all = append(all, e.Message)
	}
	return all, said.Next
}

func TestFilter(t *testing.T) {
	t.Parallel()
	l := NewGroups("eu-west-1")
	for _, e := range [][2]string{{"a/1", "one"}, {"b/1", "two"}, {"a/2", "three"}, {"a/1", "four"}, {"a/1", "f\xffve"}} {
		l.Put("group", e[0], []byte(e[1]))
	}
	for _, c := range []struct {
		body  string
		want  []string
		token string
	}{
		{`{"logGroupName":"group"}`, []string{"one", "two", "three", "four", "f\uFFFDve"}, ""},
		{`{"logGroupIdentifier":"arn:aws:logs:eu-west-1:000000000000:log-group:group:*","limit":1}`, []string{"one"}, "1"},
		{`{"logGroupName":"group","limit":2,"nextToken":"1"}`, []string{"two", "three"}, "3"},
		{`{"logGroupName":"group","limit":2,"nextToken":"3"}`, []string{"four", "f\uFFFDve"}, ""},
		{`{"logGroupName":"group","logStreamNames":["b/1","a/2"]}`, []string{"two", "three"}, ""},
		{`{"logGroupName":"group","logStreamNamePrefix":"a/"}`, []string{"one", "three", "four", "f\uFFFDve"}, ""},
		{`{"logGroupName":"group","filterPattern":"?one ?two"}`, []string{"one", "two"}, ""},
		{`{"logGroupName":"group","filterPattern":"o -u","limit":1}`, []string{"one"}, "1"},
		{`{"logGroupName":"group","endTime":1}`, nil, ""},
		{`{"logGroupName":"group","startTime":1}`, []string{"one", "two", "three", "four", "f\uFFFDve"}, ""},
	} {
		got, token := filtered(t, l, c.body)
		if diff := cmp.Diff(c.want, got); diff != "" || token != c.token {
			t.Errorf("%s: token %q %s", c.body, token, diff)
		}
	}
}

// What cannot be is refused with the service's codes, whichever operation it is.
func TestRefusals(t *testing.T) {
	t.Parallel()
	l := NewGroups("eu-west-1")
	l.Put("group", "stream", []byte("x"))
	for _, c := range []struct{ operation, body, want string }{
		{"CreateLogGroup", `{"logGroupName":"a b"}`, "InvalidParameterException"},
		{"CreateLogGroup", `{"logGroupName":"group"}`, "ResourceAlreadyExistsException"},
		{"DeleteLogGroup", `{"logGroupName":"other"}`, "ResourceNotFoundException"},
		{"DescribeLogGroups", `{"limit":51}`, "InvalidParameterException"},
		{"DescribeLogGroups", `{"limit":"1"}`, "SerializationException"},
		{"DescribeLogStreams", `{"logGroupName":"other"}`, "ResourceNotFoundException"},
		{"PutRetentionPolicy", `{"logGroupName":"group","retentionInDays":2}`, "InvalidParameterException"},
		{"FilterLogEvents", `{"logGroupName":"other"}`, "ResourceNotFoundException"},
		{"FilterLogEvents", `{"loggroupname":"group"}`, "ResourceNotFoundException"},
		{"FilterLogEvents", `{"logGroupName":"group","limit":0}`, "InvalidParameterException"},
		{"FilterLogEvents", `{"logGroupName":"group","logStreamNames":["other"]}`, "ResourceNotFoundException"},
		{"FilterLogEvents", `{"logGroupName":"group","logStreamNames":["stream"],"logStreamNamePrefix":"s"}`, "InvalidParameterException"},
		{"FilterLogEvents", `{"logGroupName":"group","filterPattern":"{ $.a = 1 }"}`, "InvalidParameterException"},
		{"FilterLogEvents", `{"logGroupName":"group","nextToken":"-1"}`, "InvalidParameterException"},
		{"GetLogEvents", `{"logGroupName":"group","logStreamName":"other"}`, "ResourceNotFoundException"},
		{"GetLogEvents", `{"logGroupName":"group","logStreamName":"stream","nextToken":"x/1"}`, "InvalidParameterException"},
		{"GetLogEvents", `{"logGroupName":"group","logStreamName":"stream","nextToken":"f/-1"}`, "InvalidParameterException"},
		{"TagResource", `{"resourceArn":"arn:aws:logs:eu-west-1:000000000000:log-group:other"}`, "ResourceNotFoundException"},
		{"StartQuery", `{}`, "UnknownOperationException"},
	} {
		status, answer := ask(t, l, c.operation, c.body)
		if status < 400 || !strings.Contains(answer, `"__type":"`+c.want+`"`) {
			t.Errorf("%s %s: %d %s, want %s", c.operation, c.body, status, answer, c.want)
		}
	}
}

// A group keeps so many bytes: the oldest lines give way, and the streams that had no others.
func TestGroupsAreBounded(t *testing.T) {
	t.Parallel()
	l := NewGroups("eu-west-1")
	line := []byte(strings.Repeat("x", maxLogEvent+1)) // one byte is cut
	l.Put("group", "first", line)
	for range maxLogBytes / maxLogEvent {
		l.Put("group", "second", line)
	}
	g := l.groups["group"]
	if want := maxLogBytes/maxLogEvent - 1; len(g.events) != want || g.bytes != want*(maxLogEvent+eventOverhead) || g.next != want+2 {
		t.Errorf("%d events with %d bytes, the next is %d", len(g.events), g.bytes, g.next)
	}
	if g.streams["first"] != nil || g.streams["second"] == nil {
		t.Errorf("streams %v", g.streams)
	}
}

// A group forgets what is older than its retention, when it is written to.
func TestRetention(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := NewGroups("eu-west-1")
		l.Put("group", "stream", []byte("old"))
		if status, answer := ask(t, l, "PutRetentionPolicy", `{"logGroupName":"group","retentionInDays":1}`); status != 200 {
			t.Fatal(answer)
		}
		time.Sleep(24 * time.Hour)
		l.Put("group", "stream", []byte("a day later"))
		if got, _ := filtered(t, l, `{"logGroupName":"group"}`); len(got) != 2 {
			t.Errorf("after a day: %v", got)
		}
		time.Sleep(time.Millisecond)
		l.Put("group", "stream", []byte("new"))
		got, _ := filtered(t, l, `{"logGroupName":"group"}`)
		if diff := cmp.Diff([]string{"a day later", "new"}, got); diff != "" {
			t.Error(diff)
		}
		if status, answer := ask(t, l, "DeleteRetentionPolicy", `{"logGroupName":"group"}`); status != 200 {
			t.Fatal(answer)
		}
		time.Sleep(1000 * 24 * time.Hour)
		l.Put("group", "stream", []byte("newest"))
		if got, _ := filtered(t, l, `{"logGroupName":"group"}`); len(got) != 3 {
			t.Errorf("without retention: %v", got)
		}
	})
}
