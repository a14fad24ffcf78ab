// Package shared has the words that deployments to all clouds have in common: what an error says, what
// a doctor finds, what an agent answers. Package deploy, which is for AWS Lambda, has aliases of them.
//
// Use it where a program handles several clouds alike. It links no cloud's SDK, and has no functions.
package shared
