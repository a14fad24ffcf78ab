package local_test

import (
	"fmt"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/google/go-cmp/cmp"
)

// A stream is read from its end, or its head, and pages in both directions.
func TestLogPages(t *testing.T) {
	t.Parallel()
	c := serve(t)
	c.create(t, handlerFunction("demo"))
	for i := range 3 {
		c.call(t, "demo", fmt.Sprintf(`{"do":"print","text":"line %d"}`, i))
	}
	group := aws.String("/aws/lambda/demo")
	streams, err := c.logs.DescribeLogStreams(t.Context(), &cloudwatchlogs.DescribeLogStreamsInput{LogGroupName: group})
	if err != nil || len(streams.LogStreams) != 1 {
		t.Fatalf("%+v, %v", streams, err)
	}
	stream := streams.LogStreams[0].LogStreamName
	get := func(limit int32, head bool, token *string) ([]string, *cloudwatchlogs.GetLogEventsOutput) {
		t.Helper()
		out, err := c.logs.GetLogEvents(t.Context(), &cloudwatchlogs.GetLogEventsInput{
			LogGroupName: group, LogStreamName: stream, Limit: aws.Int32(limit), StartFromHead: aws.Bool(head), NextToken: token,
		})
		if err != nil {
			t.Fatal(err)
		}
		messages := []string{}
		for _, e := range out.Events {
			messages = append(messages, *e.Message)
		}
		return messages, out
	}
	all, _ := get(10_000, true, nil)
	if len(all) < 15 {
		t.Fatalf("%d events: %q", len(all), all)
	}
	same := func(what string, got, want []string) {
		t.Helper()
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s\n%s", what, diff)
		}
	}
	n := len(all)
	got, out := get(4, false, nil)
	same("the latest", got, all[n-4:])
	end := out.NextForwardToken
	got, out = get(4, false, out.NextBackwardToken)
	same("those before", got, all[n-8:n-4])
	got, _ = get(4, false, out.NextForwardToken)
	same("and back", got, all[n-4:])
	got, out = get(4, false, end)
	same("behind the end", got, []string{})
	if *out.NextForwardToken != *end {
		t.Errorf("token %s at the end, and then %s", *end, *out.NextForwardToken)
	}
	got, out = get(4, true, nil)
	same("the first", got, all[:4])
	head := out.NextBackwardToken
	got, _ = get(4, true, out.NextForwardToken)
	same("those behind", got, all[4:8])
	got, out = get(4, true, head)
	same("before the head", got, []string{})
	if *out.NextBackwardToken != *head {
		t.Errorf("token %s at the head, and then %s", *head, *out.NextBackwardToken)
	}

	for name, in := range map[string]*cloudwatchlogs.FilterLogEventsInput{
		"ResourceNotFoundException: The specified log stream does not exist.": {LogGroupName: group, LogStreamNames: []string{*stream, "none"}},
		"InvalidParameterException: Value '0' at 'limit' failed":              {LogGroupName: group, Limit: aws.Int32(0)},
		"InvalidParameterException: logStreamNames and logStreamNamePrefix":   {LogGroupName: group, LogStreamNames: []string{*stream}, LogStreamNamePrefix: stream},
		"InvalidParameterException: The specified nextToken is invalid.":      {LogGroupName: group, NextToken: aws.String("f/1")},
	} {
		_, err := c.logs.FilterLogEvents(t.Context(), in)
		refusedAs(t, err, name)
	}
	for name, in := range map[string]*cloudwatchlogs.GetLogEventsInput{
		"InvalidParameterException: Value '0' at 'limit' failed":         {LogGroupName: group, LogStreamName: stream, Limit: aws.Int32(0)},
		"InvalidParameterException: The specified nextToken is invalid.": {LogGroupName: group, LogStreamName: stream, NextToken: aws.String("1")},
		"ResourceNotFoundException: The specified log stream":            {LogGroupName: group, LogStreamName: aws.String("none")},
	} {
		_, err := c.logs.GetLogEvents(t.Context(), in)
		refusedAs(t, err, name)
	}
}
