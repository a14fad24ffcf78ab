package awslambda

// String names the function, and nothing of what is in the Backend: a program that prints its
// variables must not print a key, and New's look-ups may still change them.
func (b *Backend) String() string {
	if b.target.qualifier != "" {
		return "Lambda function " + b.target.short() + ":" + b.target.qualifier
	}
	return "Lambda function " + b.target.short()
}

// GoString is [Backend.String], for %#v.
func (b *Backend) GoString() string { return b.String() }
