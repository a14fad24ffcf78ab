package deploy

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"

	"github.com/lambdapool/lambdapool/deploy/internal/steps"
)

// undoRest registers how a shard gets back what has no revision: reserved concurrency, tags and log retention. Each is a
// step of its own, so that one which fails keeps none of the others. Nothing guards them against others, who may have changed
// one since: only what is as this update has made it is taken back.
func (up *shardUpdate) undoRest(undo *steps.Undo) {
	if up.d.reserve != nil {
		undo.Add("the change of the reserved concurrency of shard "+up.s.Name, up.reservedBefore(), up.restoreReserved)
	}
	if len(up.d.tags) > 0 {
		undo.Add("the change of the tags of shard "+up.s.Name, up.tagsBefore(), up.restoreTags)
	}
	if up.d.retain != 0 {
		undo.Add("the change of the log retention of shard "+up.s.Name, up.retentionBefore(), up.restoreRetention)
	}
}

// reservedBefore is the command that does what restoreReserved does.
func (up *shardUpdate) reservedBefore() string {
	if up.before.Reserved == nil {
		return "aws lambda delete-function-concurrency --function-name " + up.s.Name
	}
	return fmt.Sprintf("aws lambda put-function-concurrency --function-name %s --reserved-concurrent-executions %d", up.s.Name, *up.before.Reserved)
}

func (up *shardUpdate) restoreReserved(ctx context.Context) error {
	now, err := up.c.get(ctx, up.s.Name, "")
	if err != nil || reserved(now.Reserved) != reserved(up.d.reserve) {
		return err
	}
	was := -1
	if up.before.Reserved != nil {
		was = *up.before.Reserved
	}
	return up.c.reserve(ctx, up.s.Name, was)
}

// oldTags are the values of tags that the update changes, and the keys of those that it adds.
func (up *shardUpdate) oldTags() (changed map[string]string, added []string) {
	changed = map[string]string{}
	for _, key := range sortedKeys(up.d.tags) {
		if was, ok := up.before.Tags[key]; ok {
			changed[key] = was
		} else {
			added = append(added, key)
		}
	}
	return changed, added
}

// knowsTags is false where Lambda has not told the tags, which it does only to who may list them. Ours is always there.
func (up *shardUpdate) knowsTags() bool { return up.before.Tags[Tag] != "" }

// tagsBefore is the command that does what restoreTags does.
func (up *shardUpdate) tagsBefore() string {
	arn := plain(up.before.ARN)
	if !up.knowsTags() {
		return "aws lambda list-tags --resource " + arn
	}
	var commands []string
	changed, added := up.oldTags()
	if text, err := json.Marshal(changed); err == nil && len(changed) > 0 {
		commands = append(commands, "aws lambda tag-resource --resource "+arn+" --tags "+quoted(string(text)))
	}
	if len(added) > 0 {
		for i, key := range added {
			added[i] = quoted(key)
		}
		commands = append(commands, "aws lambda untag-resource --resource "+arn+" --tag-keys "+strings.Join(added, " "))
	}
	return strings.Join(commands, "; ")
}

// quoted is a text as one word of a shell.
func quoted(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }

func (up *shardUpdate) restoreTags(ctx context.Context) error {
	now, err := up.c.get(ctx, up.s.Name, "")
	if err != nil {
		return err
	}
	if !up.knowsTags() {
		return errorf("Lambda did not say what tags %s had: that needs lambda:ListTags", up.s.Name)
	}
	changed, added := up.oldTags()
	var remove []string
	for _, key := range added {
		if have, ok := now.Tags[key]; ok && have == up.d.tags[key] {
			remove = append(remove, key)
		}
	}
	for key := range changed {
		if have, ok := now.Tags[key]; !ok || have != up.d.tags[key] {
			delete(changed, key)
		}
	}
	arn := aws.String(plain(up.before.ARN))
	if len(changed) > 0 {
		if _, err := up.c.lambda.TagResource(ctx, &lambda.TagResourceInput{Resource: arn, Tags: changed}); err != nil {
			return err
		}
	}
	if len(remove) > 0 {
		_, err = up.c.lambda.UntagResource(ctx, &lambda.UntagResourceInput{Resource: arn, TagKeys: remove})
	}
	return err
}

// retentionBefore is the command that does what restoreRetention does.
func (up *shardUpdate) retentionBefore() string {
	if up.d.days <= 0 {
		return "aws logs delete-retention-policy --log-group-name " + logGroup(up.s.Name)
	}
	return fmt.Sprintf("aws logs put-retention-policy --log-group-name %s --retention-in-days %d", logGroup(up.s.Name), up.d.days)
}

// restoreRetention leaves a log group that the update has made: there may be lines in it, and Lambda would have made it
// as well.
func (up *shardUpdate) restoreRetention(ctx context.Context) error {
	days, err := up.c.retentionDays(ctx, up.s.Name)
	if err != nil || retention(days) != retention(up.d.retain) {
		return err
	}
	was := up.d.days
	if was == 0 {
		was = -1 // for ever
	}
	return up.c.retain(ctx, up.s.Name, was)
}
