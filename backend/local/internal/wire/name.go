package wire

import (
	"cmp"
	"regexp"
)

const (
	// Account is the only one there is.
	Account = "000000000000"
	// Latest is the qualifier of a function's version that can be changed.
	Latest = "$LATEST"
)

// How a function may be named in a request: its name, a partial ARN or an ARN,
// each with a qualifier or without. The pattern is the API's for FunctionName.
var namePattern = regexp.MustCompile(`^(?:(?:arn:(aws[a-zA-Z-]*):lambda:)?(?:([a-z]{2}(?:-[a-z]+)+-\d):)?(?:(\d{12}):)?(?:function:)?)([a-zA-Z0-9_-]+)(?::(\$LATEST|[a-zA-Z0-9_-]+))?$`)

var qualifierPattern = regexp.MustCompile(`^(\$LATEST|[a-zA-Z0-9_-]{1,128})$`)

// A FunctionID is what a request means by a function's name and qualifier.
type FunctionID struct {
	Region, Account, Name string
	Qualifier             string // empty: none was given
}

// ARN returns the name in full, with the qualifier if there is one.
func (id FunctionID) ARN() string {
	arn := "arn:aws:lambda:" + id.Region + ":" + id.Account + ":function:" + id.Name
	if id.Qualifier != "" {
		arn += ":" + id.Qualifier
	}
	return arn
}

// Identify reads a function's name as requests may spell it, and the qualifier
// given apart from it.
func Identify(name, qualifier, region string) (FunctionID, *Refusal) {
	parts := namePattern.FindStringSubmatch(name)
	if parts == nil || len(name) > 170 {
		return FunctionID{}, Validation("functionName", name, "Member must satisfy regular expression pattern: "+namePattern.String())
	}
	if qualifier != "" && !qualifierPattern.MatchString(qualifier) {
		return FunctionID{}, Validation("qualifier", qualifier, "Member must satisfy regular expression pattern: "+qualifierPattern.String())
	}
	switch inName := parts[5]; {
	case inName != "" && qualifier != "" && inName != qualifier:
		return FunctionID{}, InvalidParameter("The derived qualifier from the function name does not match the specified qualifier.")
	case inName != "":
		qualifier = inName
	}
	return FunctionID{Region: cmp.Or(parts[2], region), Account: cmp.Or(parts[3], Account), Name: parts[4], Qualifier: qualifier}, nil
}
