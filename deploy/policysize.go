package deploy

import (
	"fmt"
	"unicode"
)

// What IAM takes of policies, in characters. White space does not count.
//
// Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html (2026-11).
const (
	maxUserPolicies  = 2_048  // all inline policies of a user together
	maxManagedPolicy = 6_144  // one managed policy
	maxRolePolicies  = 10_240 // all inline policies of a role together
)

// PolicyRoom says which of IAM's places a policy is too long for, and which hold it. It is "" for one that fits
// everywhere. Policies name shards one by one, so those of many shards are long: a pattern would also hold
// for functions of others.
//
// One statement alone always fits a managed policy, whatever the number of shards.
func PolicyRoom(doc string) string {
	const each = "a managed policy of each statement holds it"
	switch n := policySize(doc); {
	case n <= maxUserPolicies:
		return ""
	case n <= maxManagedPolicy:
		return fmt.Sprintf("%d characters are too many for inline policies of a user, which hold %d: a managed policy holds %d, inline policies of a role %d",
			n, maxUserPolicies, maxManagedPolicy, maxRolePolicies)
	case n <= maxRolePolicies:
		return fmt.Sprintf("%d characters are too many for a managed policy, which holds %d: inline policies of a role hold %d, or %s",
			n, maxManagedPolicy, maxRolePolicies, each)
	default:
		return fmt.Sprintf("%d characters are too many for any policy of IAM's, which hold %d at most: %s", n, maxRolePolicies, each)
	}
}

// policySize counts as IAM does.
func policySize(docs ...string) (n int) {
	for _, doc := range docs {
		for _, r := range doc {
			if !unicode.IsSpace(r) {
				n++
			}
		}
	}
	return n
}

// roleHolds refuses an agent's policies that no role can have. Both are looked at, since each may be put by itself.
func (in PolicyInput) roleHolds(nested bool) error {
	agent, err := in.policy(forAgent)
	if err != nil || !nested {
		return err
	}
	own, err := in.policy(forNested)
	if err != nil {
		return err
	}
	n := policySize(agent, own)
	if n <= maxRolePolicies {
		return nil
	}
	return &Error{Kind: ErrInvalid, Err: errorf("the role of %d shards would need policies of %d characters, and IAM allows %d", max(in.Shards, 1), n, maxRolePolicies),
		Hint: "fewer shards or a shorter name, or a role of your own with managed policies: each names every shard"}
}

// userHolds refuses a policy that no user can have as an inline one.
func userHolds(doc, user, function string) error {
	n := policySize(doc)
	if n <= maxUserPolicies {
		return nil
	}
	return &Error{Kind: ErrInvalid, Err: errorf("the policy has %d characters, and IAM allows %d for inline policies of a user", n, maxUserPolicies), Hint: managed(user, function)}
}

// managed is the way out for who has no room for an inline policy.
func managed(user, function string) string {
	name := clientPolicy(function)
	return "give it to a role, or make it a managed policy: lambdapool policy client " + function + " > policy.json, with the same flags; aws iam create-policy --policy-name " + name +
		" --policy-document file://policy.json; aws iam attach-user-policy --user-name " + user + " --policy-arn ARN"
}

// noRoom gives IAM's refusal of a policy a hint: other policies of the same user or role take the room.
func noRoom(err error, hint string) error {
	if code(err) == "LimitExceeded" {
		return &Error{Err: err, Hint: hint}
	}
	return err
}
