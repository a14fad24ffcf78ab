package logs

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/lambdapool/lambdapool/backend/local/internal/wire"
)

// GroupName is what a log group may be named.
var GroupName = regexp.MustCompile(`^[.\-_/#A-Za-z0-9]{1,512}$`)

// Serve serves what there is of
// https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_Operations.html
func (l *Groups) Serve(w http.ResponseWriter, r *http.Request, body []byte) {
	target := r.Header.Get("X-Amz-Target")
	serve := map[string]func(*Groups, *logsInput) (any, *wire.Refusal){
		"CreateLogGroup":        (*Groups).create,
		"DescribeLogGroups":     (*Groups).describe,
		"DeleteLogGroup":        (*Groups).remove,
		"PutRetentionPolicy":    (*Groups).putRetention,
		"DeleteRetentionPolicy": (*Groups).deleteRetention,
		"DescribeLogStreams":    (*Groups).describeStreams,
		"FilterLogEvents":       (*Groups).filter,
		"GetLogEvents":          (*Groups).get,
		"TagResource":           (*Groups).tag,
		"ListTagsForResource":   (*Groups).listTags,
	}[strings.TrimPrefix(target, "Logs_20140328.")]
	if serve == nil {
		wire.WriteTargetError(w, &wire.Refusal{Status: http.StatusNotImplemented, Code: "UnknownOperationException", Message: "lambdapool: local: there is no operation " + strconv.Quote(target) + " here"})
		return
	}
	var in logsInput
	if err := wire.Decode(body, &in); err != nil {
		wire.WriteTargetError(w, &wire.Refusal{Status: http.StatusBadRequest, Code: "SerializationException", Message: err.Error()})
		return
	}
	in.name()
	l.mu.Lock()
	answer, refused := serve(l, &in)
	l.mu.Unlock()
	if refused != nil {
		wire.WriteTargetError(w, refused)
		return
	}
	if answer == nil {
		answer = struct{}{}
	}
	wire.WriteJSON(w, "application/x-amz-json-1.1", http.StatusOK, answer)
}

// A logsInput has what all the operations take.
type logsInput struct {
	Group       string            `json:"logGroupName"`
	Identifier  string            `json:"logGroupIdentifier"`
	Prefix      string            `json:"logGroupNamePrefix"`
	Pattern     string            `json:"logGroupNamePattern"`
	Stream      string            `json:"logStreamName"`
	Streams     []string          `json:"logStreamNames"`
	StreamStart string            `json:"logStreamNamePrefix"`
	Filter      string            `json:"filterPattern"`
	From        int64             `json:"startTime"`
	To          int64             `json:"endTime"`
	Limit       *int              `json:"limit"`
	FromHead    bool              `json:"startFromHead"`
	Token       string            `json:"nextToken"`
	Retention   int               `json:"retentionInDays"`
	OrderBy     string            `json:"orderBy"`
	Descending  bool              `json:"descending"`
	Tags        map[string]string `json:"tags"`
	Resource    string            `json:"resourceArn"`
}

// name finds the group's name in whatever form it is given.
func (in *logsInput) name() {
	for _, arn := range []string{in.Identifier, in.Resource} {
		if _, name, ok := strings.Cut(arn, ":log-group:"); ok {
			arn = strings.TrimSuffix(name, ":*")
		}
		in.Group = cmp.Or(in.Group, arn)
	}
}

func errLogs(code, format string, args ...any) *wire.Refusal {
	return &wire.Refusal{Status: http.StatusBadRequest, Code: code, Message: fmt.Sprintf(format, args...)}
}

// group returns the one that the request names.
func (l *Groups) group(in *logsInput) (*logGroup, *wire.Refusal) {
	if g := l.groups[in.Group]; g != nil {
		return g, nil
	}
	return nil, errLogs("ResourceNotFoundException", "The specified log group does not exist.")
}

func (l *Groups) create(in *logsInput) (any, *wire.Refusal) {
	switch {
	case !GroupName.MatchString(in.Group):
		return nil, errLogs("InvalidParameterException", "1 validation error detected: Value '%s' at 'logGroupName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\.\\-_/#A-Za-z0-9]+", in.Group)
	case l.groups[in.Group] != nil:
		return nil, errLogs("ResourceAlreadyExistsException", "The specified log group already exists")
	}
	maps.Copy(l.add(in.Group).tags, in.Tags)
	return nil, nil
}

func (l *Groups) describe(in *logsInput) (any, *wire.Refusal) {
	type shape struct {
		Name      string `json:"logGroupName"`
		Arn       string `json:"arn"`
		GroupArn  string `json:"logGroupArn"`
		Created   int64  `json:"creationTime"`
		Retention int    `json:"retentionInDays,omitempty"`
		Filters   int    `json:"metricFilterCount"`
		Stored    int    `json:"storedBytes"`
		Class     string `json:"logGroupClass"`
	}
	limit, refused := in.limit(50, 50)
	if refused != nil {
		return nil, refused
	}
	groups := []shape{}
	next := ""
	for _, name := range slices.Sorted(maps.Keys(l.groups)) {
		if !strings.HasPrefix(name, in.Prefix) || !strings.Contains(name, in.Pattern) || in.Token != "" && name <= in.Token {
			continue
		}
		if len(groups) == limit {
			next = groups[limit-1].Name
			break
		}
		g := l.groups[name]
		groups = append(groups, shape{
			Name: name, Arn: l.arn(name) + ":*", GroupArn: l.arn(name), Created: g.created.UnixMilli(),
			Retention: g.retention, Stored: g.bytes - eventOverhead*len(g.events), Class: "STANDARD",
		})
	}
	return struct {
		Groups []shape `json:"logGroups"`
		Next   string  `json:"nextToken,omitempty"`
	}{groups, next}, nil
}

// limit returns how many items are wanted.
func (in *logsInput) limit(otherwise, most int) (int, *wire.Refusal) {
	switch {
	case in.Limit == nil:
		return otherwise, nil
	case *in.Limit < 1 || *in.Limit > most:
		return 0, errLogs("InvalidParameterException", "1 validation error detected: Value '%d' at 'limit' failed to satisfy constraint: Member must have value from 1 to %d", *in.Limit, most)
	}
	return *in.Limit, nil
}

func (l *Groups) remove(in *logsInput) (any, *wire.Refusal) {
	if _, refused := l.group(in); refused != nil {
		return nil, refused
	}
	delete(l.groups, in.Group)
	return nil, nil
}

// https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html (2026-11)
var retentions = []int{1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653}

func (l *Groups) putRetention(in *logsInput) (any, *wire.Refusal) {
	g, refused := l.group(in)
	switch {
	case refused != nil:
		return nil, refused
	case !slices.Contains(retentions, in.Retention):
		return nil, errLogs("InvalidParameterException", "1 validation error detected: Value '%d' at 'retentionInDays' failed to satisfy constraint: Member must satisfy enum value set: %v", in.Retention, retentions)
	}
	g.retention = in.Retention
	return nil, nil
}

func (l *Groups) deleteRetention(in *logsInput) (any, *wire.Refusal) {
	g, refused := l.group(in)
	if refused != nil {
		return nil, refused
	}
	g.retention = 0
	return nil, nil
}

func (l *Groups) describeStreams(in *logsInput) (any, *wire.Refusal) {
	type shape struct {
		Name    string `json:"logStreamName"`
		Arn     string `json:"arn"`
		Created int64  `json:"creationTime"`
		First   int64  `json:"firstEventTimestamp"`
		Last    int64  `json:"lastEventTimestamp"`
		Taken   int64  `json:"lastIngestionTime"`
		Stored  int64  `json:"storedBytes"`
	}
	g, refused := l.group(in)
	if refused != nil {
		return nil, refused
	}
	limit, refused := in.limit(50, 50)
	if refused != nil {
		return nil, refused
	}
	streams := g.orderedStreams(in.OrderBy == "LastEventTime")
	if in.Descending {
		slices.Reverse(streams)
	}
	streams = slices.DeleteFunc(streams, func(s *logStream) bool { return !strings.HasPrefix(s.name, in.StreamStart) })
	from := 1 + slices.IndexFunc(streams, func(s *logStream) bool { return s.name == in.Token })
	to := min(from+limit, len(streams))
	shapes := []shape{}
	for _, s := range streams[from:to] {
		shapes = append(shapes, shape{
			Name: s.name, Arn: l.arn(g.name) + ":log-stream:" + s.name, Created: s.created.UnixMilli(),
			First: s.first, Last: s.last, Taken: s.last,
		})
	}
	next := ""
	if to < len(streams) {
		next = streams[to-1].name
	}
	return struct {
		Streams []shape `json:"logStreams"`
		Next    string  `json:"nextToken,omitempty"`
	}{shapes, next}, nil
}

type eventShape struct {
	ID      string `json:"eventId,omitempty"`
	Stream  string `json:"logStreamName,omitempty"`
	At      int64  `json:"timestamp"`
	Message string `json:"message"`
	Taken   int64  `json:"ingestionTime"`
}

// maxEvents is what one answer may have, by default, too.
const maxEvents = 10_000

func (l *Groups) filter(in *logsInput) (any, *wire.Refusal) {
	g, refused := l.group(in)
	if refused != nil {
		return nil, refused
	}
	limit, refused := in.limit(maxEvents, maxEvents)
	if refused != nil {
		return nil, refused
	}
	if len(in.Streams) > 0 && in.StreamStart != "" {
		return nil, errLogs("InvalidParameterException", "logStreamNames and logStreamNamePrefix cannot both be specified.")
	}
	for _, name := range in.Streams {
		if g.streams[name] == nil {
			return nil, errNoStream()
		}
	}
	f := logFilter{from: in.From, to: in.To, streams: in.Streams, prefix: in.StreamStart}
	var ok bool
	if f.pattern, ok = parsePattern(in.Filter); !ok {
		return nil, errLogs("InvalidParameterException", "Invalid filter pattern (lambdapool: local: terms, \"phrases\", -excluded and ?optional ones are known here, and no others)")
	}
	if f.after, refused = in.after(); refused != nil {
		return nil, refused
	}
	found, next := g.find(f, limit)
	var answer struct {
		Events   []eventShape `json:"events"`
		Next     string       `json:"nextToken,omitempty"`
		Searched []struct{}   `json:"searchedLogStreams"`
	}
	answer.Events, answer.Searched = []eventShape{}, []struct{}{}
	for _, e := range found {
		answer.Events = append(answer.Events, eventShape{
			ID: fmt.Sprintf("%056d", e.number), Stream: e.stream, At: e.at, Message: e.message, Taken: e.at,
		})
	}
	if next >= 0 {
		answer.Next = strconv.Itoa(next)
	}
	return answer, nil
}

// after reads a token that find has given out.
func (in *logsInput) after() (int, *wire.Refusal) {
	if in.Token == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(in.Token)
	if err != nil || n < 0 {
		return 0, errBadToken()
	}
	return n, nil
}

func errBadToken() *wire.Refusal {
	return errLogs("InvalidParameterException", "The specified nextToken is invalid.")
}

func errNoStream() *wire.Refusal {
	return errLogs("ResourceNotFoundException", "The specified log stream does not exist.")
}

// get returns one stream's events: the latest, or the first with startFromHead, or those
// before or behind what a token stands for. At either end the token stays the same, as the
// service's does.
func (l *Groups) get(in *logsInput) (any, *wire.Refusal) {
	g, refused := l.group(in)
	if refused != nil {
		return nil, refused
	}
	if g.streams[in.Stream] == nil {
		return nil, errNoStream()
	}
	limit, refused := in.limit(maxEvents, maxEvents)
	if refused != nil {
		return nil, refused
	}
	f := logFilter{from: in.From, streams: []string{in.Stream}}
	if in.To != 0 {
		f.to = in.To - 1 // here the end does not belong to it
	}
	forward, at, refused := in.position(g.next)
	if refused != nil {
		return nil, refused
	}
	var found []logEvent
	if forward {
		f.after = at
		found, _ = g.find(f, limit)
	} else {
		f.before = &at
		found = g.findLast(f, limit)
	}
	events := []eventShape{}
	for _, e := range found {
		events = append(events, eventShape{At: e.at, Message: e.message, Taken: e.at})
	}
	first, last := at, at
	if len(found) > 0 {
		first, last = found[0].number, found[len(found)-1].number+1
	}
	return struct {
		Events   []eventShape `json:"events"`
		Forward  string       `json:"nextForwardToken"`
		Backward string       `json:"nextBackwardToken"`
	}{events, "f/" + strconv.Itoa(last), "b/" + strconv.Itoa(first)}, nil
}

// position is where reading a stream begins, and in which direction: forward from the event
// with that number, or backward from the one before it. next is the number of the next event.
func (in *logsInput) position(next int) (forward bool, at int, refused *wire.Refusal) {
	direction, number, found := strings.Cut(in.Token, "/")
	switch {
	case in.Token == "" && in.FromHead:
		return true, 0, nil
	case in.Token == "":
		return false, next, nil
	case !found || direction != "f" && direction != "b":
		return false, 0, errBadToken()
	}
	at, err := strconv.Atoi(number)
	if err != nil || at < 0 {
		return false, 0, errBadToken()
	}
	return direction == "f", at, nil
}

func (l *Groups) tag(in *logsInput) (any, *wire.Refusal) {
	g, refused := l.group(in)
	if refused != nil {
		return nil, refused
	}
	maps.Copy(g.tags, in.Tags)
	return nil, nil
}

func (l *Groups) listTags(in *logsInput) (any, *wire.Refusal) {
	g, refused := l.group(in)
	if refused != nil {
		return nil, refused
	}
	return map[string]any{"tags": maps.Clone(g.tags)}, nil
}
