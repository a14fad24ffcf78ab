package awslambda

import (
	"fmt"
	"regexp"
	"strings"
)

// A target is a Lambda function as the caller named it.
type target struct {
	name      string // a name, a partial or a full ARN, without the qualifier
	qualifier string // version or alias; empty: $LATEST
	region    string // from a full ARN, otherwise empty
}

// The patterns of FunctionName and Qualifier in the Lambda API reference
// (API_Invoke, read 2026-11), with the parts named.
var (
	targetPattern = regexp.MustCompile(
		`^(?:arn:aws[a-zA-Z-]*:lambda:(?P<region>[a-z]{2}(?:-[a-z]+)+-\d):\d{12}:function:|\d{12}:function:)?` +
			`(?P<name>[a-zA-Z0-9_.-]{1,64})` +
			`(?::(?P<qualifier>[^:]*))?$`)
	qualifierPattern = regexp.MustCompile(`^(?:\$LATEST(?:\.PUBLISHED)?|[a-zA-Z0-9_-]{1,128})$`)
)

// parseTarget takes a name apart. What Lambda would refuse is refused here, before a request.
func parseTarget(s string) (target, error) {
	m := targetPattern.FindStringSubmatchIndex(s)
	if m == nil {
		return target{}, fmt.Errorf("lambdapool: open Lambda function %q: not a function name "+
			"(NAME, NAME:QUALIFIER, ACCOUNT:function:NAME or arn:aws:lambda:REGION:ACCOUNT:function:NAME; "+
			"a name has at most 64 letters, digits, '-', '_' and '.')", s)
	}
	part := func(name string) string {
		i := 2 * targetPattern.SubexpIndex(name)
		if m[i] < 0 {
			return ""
		}
		return s[m[i]:m[i+1]]
	}
	t := target{name: s, qualifier: part("qualifier"), region: part("region")}
	if i := m[2*targetPattern.SubexpIndex("name")+1]; i < len(s) {
		t.name = s[:i]
		if err := checkQualifier(t.qualifier); err != nil {
			return target{}, fmt.Errorf("lambdapool: open Lambda function %q: %w", s, err)
		}
	}
	return t, nil
}

func checkQualifier(q string) error {
	if qualifierPattern.MatchString(q) {
		return nil
	}
	return fmt.Errorf("qualifier %q is neither a version number, nor an alias, nor $LATEST", q)
}

// short is the bare function name, for messages and logs.
func (t target) short() string {
	return t.name[strings.LastIndexByte(t.name, ':')+1:]
}
