// Package iam is as much of IAM and STS as deploying a function takes: roles and users with
// their policies, and who is asking. Nothing that a policy says is enforced. It may know how
// requests are signed and answered (package wire). Functions must never enter: it is asked
// whether Lambda may assume a role, and does not know what for; nor may files, since State
// and Restore are all that keeping it takes.
package iam
