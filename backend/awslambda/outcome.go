package awslambda

import (
	"net/http"
	"strings"

	"github.com/lambdapool/lambdapool/driver"
)

// This file is the table of what Lambda's answers mean: whether the function
// ran, which sentinel the caller sees, and whether sending the same request
// again can help. What is in no table is an unknown outcome.
//
// The codes are the SDK's modelled errors that Invoke can return
// (service/lambda/types) and those that the front end answers with before
// Lambda sees the request, which no SDK models.

// A verdict is what one answer of the platform means.
type verdict struct {
	outcome   driver.Outcome
	kind      error
	permanent bool
	private   bool // the service's message may quote the request: it is not repeated
	hint      string
}

const (
	hintTooLarge    = "send less per call, or let large payloads travel through S3"
	hintCredentials = "check the access key, its session token and the machine's clock"
	hintRole        = "check the permissions of the function's execution role"
	hintVPC         = "check the function's VPC configuration"
	hintMount       = "check the function's file system configuration"
	hintKMS         = "check the KMS key of the function's environment and the role's right to use it"
	hintDeploy      = "deploy the function again"
	hintReport      = "the function may have run; only an idempotent one is run again"
	hintLog         = "see the function's log"
)

// The verdicts that several rows share.
var (
	unknown = verdict{kind: driver.ErrUnknownOutcome, hint: hintReport}

	throttled = verdict{outcome: driver.OutcomeNotRun, kind: driver.ErrThrottled,
		hint: "lower the number of workers, or raise the concurrency limit"}
	denied = verdict{outcome: driver.OutcomeNotRun, kind: driver.ErrAccessDenied, permanent: true,
		hint: "the caller needs lambda:InvokeFunction on this function"}
	unsigned = verdict{outcome: driver.OutcomeNotRun, kind: driver.ErrAccessDenied, permanent: true,
		private: true, hint: hintCredentials}
	tooLarge = verdict{outcome: driver.OutcomeNotRun, kind: driver.ErrTooLarge, permanent: true,
		hint: hintTooLarge}
	notFound = verdict{outcome: driver.OutcomeNotRun, kind: driver.ErrFunctionNotFound, permanent: true,
		hint: "check name, qualifier, account and region, or deploy the function"}
	malformed = verdict{outcome: driver.OutcomeNotRun, kind: driver.ErrBadArguments, permanent: true,
		private: true}
)

// broken is an environment that somebody must repair before it can start.
func broken(hint string) verdict {
	return verdict{outcome: driver.OutcomeNotRun, kind: driver.ErrAgentCrashed, permanent: true, hint: hint}
}

// starting is an environment that could not start now, but may soon.
func starting(hint string) verdict {
	return verdict{outcome: driver.OutcomeNotRun, kind: driver.ErrAgentCrashed, hint: hint}
}

// hinted is v with a more precise hint.
func (v verdict) hinted(hint string) verdict {
	v.hint = hint
	return v
}

var byCode = map[string]verdict{
	// Limits.
	"TooManyRequestsException":             throttled,
	"EC2ThrottledException":                throttled.hinted("EC2 limits how fast the function's VPC connections are made"),
	"ENILimitReachedException":             throttled.hinted("the VPC has no network interface left: raise its quota"),
	"SubnetIPAddressLimitReachedException": throttled.hinted("a subnet of the function has no address left"),
	"Throttling":                           throttled,
	"ThrottlingException":                  throttled,
	"ThrottledException":                   throttled,
	"RequestThrottled":                     throttled,
	"RequestThrottledException":            throttled,
	"RequestLimitExceeded":                 throttled,

	// Not ready yet.
	"ResourceConflictException":         starting("the function is being created or updated"),
	"ResourceNotReadyException":         starting("the function was idle for long and is becoming active again"),
	"CodeArtifactUserPendingException":  starting("the function is being provisioned"),
	"SnapStartNotReadyException":        starting("the function's snapshot is being made"),
	"SnapStartTimeoutException":         starting("restoring the function's snapshot took too long"),
	"ENINotReadyException":              starting("the function's VPC connection is being made"),
	"EC2UnexpectedException":            starting(hintVPC),
	"EFSMountConnectivityException":     starting(hintMount),
	"EFSMountTimeoutException":          starting(hintMount),
	"S3FilesMountConnectivityException": starting(hintMount),
	"S3FilesMountTimeoutException":      starting(hintMount),

	// Cannot start.
	"EC2AccessDeniedException":              broken(hintRole),
	"EFSMountFailureException":              broken(hintMount),
	"S3FilesMountFailureException":          broken(hintMount),
	"KMSAccessDeniedException":              broken(hintKMS),
	"KMSDisabledException":                  broken(hintKMS),
	"KMSInvalidStateException":              broken(hintKMS),
	"KMSNotFoundException":                  broken(hintKMS),
	"InvalidSecurityGroupIDException":       broken(hintVPC),
	"InvalidSubnetIDException":              broken(hintVPC),
	"InvalidRuntimeException":               broken(hintDeploy),
	"InvalidZipFileException":               broken(hintDeploy),
	"CodeArtifactUserDeletedException":      broken(hintDeploy),
	"CodeArtifactUserFailedException":       broken(hintDeploy),
	"SnapStartException":                    broken(hintLog),
	"SnapStartRegenerationFailureException": broken(hintDeploy),
	"RecursiveInvocationException":          broken("Lambda stopped a loop of functions that call each other"),

	// Rights and identity.
	"AccessDeniedException":               denied,
	"AccessDenied":                        denied,
	"NotAuthorized":                       denied,
	"OptInRequired":                       denied.hinted("enable the region for this account"),
	"UnrecognizedClientException":         unsigned,
	"InvalidClientTokenId":                unsigned,
	"InvalidAccessKeyId":                  unsigned,
	"ExpiredTokenException":               unsigned.hinted("the session token has expired: sign in again"),
	"ExpiredToken":                        unsigned.hinted("the session token has expired: sign in again"),
	"InvalidSignatureException":           unsigned,
	"SignatureDoesNotMatch":               unsigned,
	"IncompleteSignature":                 unsigned,
	"IncompleteSignatureException":        unsigned,
	"MissingAuthenticationToken":          unsigned,
	"MissingAuthenticationTokenException": unsigned,
	"RequestExpired":                      unsigned,
	"RequestTimeTooSkewed":                unsigned,

	// The request itself.
	"ResourceNotFoundException":                notFound,
	"NoPublishedVersionException":              notFound.hinted("publish a version of the function"),
	"UnknownOperationException":                notFound.hinted("check the endpoint"),
	"RequestTooLargeException":                 tooLarge,
	"RequestEntityTooLargeException":           tooLarge,
	"SerializedRequestEntityTooLargeException": tooLarge,
	"InvalidRequestContentException":           malformed,
	"UnsupportedMediaTypeException":            malformed,
	"ValidationException":                      malformed.hinted("check name, qualifier and tenant id"),
	"InvalidParameterValueException":           malformed.hinted("check name, qualifier and tenant id"),
	"ModeNotSupportedException":                malformed.hinted("the function does not take synchronous calls"),
	"DurableExecutionAlreadyStartedException":  malformed,

	// Nobody knows.
	"ServiceException": unknown,
	"EFSIOException":   {kind: driver.ErrAgentCrashed, hint: hintMount},
}

// byStatus decides where the code is in no table, as when a proxy answers.
var byStatus = map[int]verdict{
	http.StatusUnauthorized:          unsigned,
	http.StatusForbidden:             {outcome: driver.OutcomeNotRun, kind: driver.ErrAccessDenied, permanent: true, private: true, hint: denied.hint},
	http.StatusNotFound:              notFound.hinted("check the endpoint, and name, account and region of the function"),
	http.StatusRequestEntityTooLarge: tooLarge,
	http.StatusTooManyRequests:       throttled,
}

// judge looks an answer other than 200 up.
func judge(status int, code string) verdict {
	if v, ok := byCode[code]; ok {
		return v
	}
	if v, ok := byStatus[status]; ok {
		v.private = true
		return v
	}
	v := unknown
	v.private = true
	return v
}

// A failure is what a 200 with X-Amz-Function-Error says: the platform, or the
// runtime in the function, failed. That a user's function returned an error
// is not among it: the agent puts that into an ordinary reply.
type failure struct {
	Type    string `json:"errorType"`
	Message string `json:"errorMessage"`
	report  report
}

// exited says whether the agent's process ended.
func (f failure) exited() bool {
	return f.Type == "Runtime.ExitError" || strings.Contains(f.Message, "Runtime exited")
}

// A failureRow is one kind of failure.
type failureRow struct {
	name  string
	match func(failure) bool
	verdict
}

// byFailure decides by the first row that matches. Whether the header says
// Handled or Unhandled means nothing.
var byFailure = []failureRow{
	{"reply too large",
		func(f failure) bool { return f.Type == "Function.ResponseSizeTooLarge" },
		verdict{outcome: driver.OutcomeRan, kind: driver.ErrTooLarge, permanent: true,
			hint: "return less per call, or let large payloads travel through S3"}},
	{"out of memory while starting",
		func(f failure) bool { return f.report.initFailed && f.outOfMemory() },
		verdict{outcome: driver.OutcomeNotRun, kind: driver.ErrOutOfMemory, permanent: true,
			hint: "raise the function's memory"}},
	{"cannot start",
		failure.unusable,
		broken("check that the deployed bootstrap is an executable for the function's architecture")},
	{"crashed while starting",
		func(f failure) bool { return f.report.initFailed },
		broken("the agent does not get as far as taking a call: " + hintLog)},
	{"timed out",
		failure.timedOut,
		verdict{outcome: driver.OutcomeRan, kind: driver.ErrTimeout,
			hint: "raise the function's timeout, or send less per call"}},
	{"out of memory",
		failure.outOfMemory,
		verdict{outcome: driver.OutcomeRan, kind: driver.ErrOutOfMemory,
			hint: "raise the function's memory, or send less per call"}},
	{"crashed",
		failure.exited,
		verdict{outcome: driver.OutcomeRan, kind: driver.ErrAgentCrashed,
			hint: "the agent's process ended during the call: " + hintLog}},
	{"platform",
		failure.platform,
		verdict{kind: driver.ErrAgentCrashed, hint: hintLog}},
	{"foreign runtime",
		func(f failure) bool { return f.Type != "" || f.Message != "" },
		verdict{outcome: driver.OutcomeRan, kind: driver.ErrDecode, permanent: true, private: true,
			hint: "is this function a lambdapool agent?"}},
	{"unreadable",
		func(failure) bool { return true },
		unknown},
}

// outOfMemory says whether the agent ended at its memory limit: the kernel kills it there, or
// the runtime gives up just below. That it was killed is not enough: others do that too.
func (f failure) outOfMemory() bool {
	return f.Type == "Runtime.OutOfMemory" || f.exited() && f.report.memory > 0 && f.report.peak >= f.report.memory
}

// unusable says whether the agent's process could not be started at all.
func (f failure) unusable() bool {
	switch f.Type {
	case "Runtime.InvalidEntrypoint", "Runtime.InvalidWorkingDir", "Runtime.InvalidTaskConfig",
		"Runtime.BadFunctionCode", "Extension.LaunchError", "Extension.InitError":
		return true
	}
	return strings.Contains(f.Message, "fork/exec ")
}

func (f failure) timedOut() bool {
	return f.Type == "Sandbox.Timedout" || strings.Contains(f.Message, "Task timed out after")
}

// platform says whether Lambda itself speaks, not the code in the function.
func (f failure) platform() bool {
	for _, prefix := range []string{"Runtime.", "Sandbox.", "Extension.", "Function.", "Lambda."} {
		if strings.HasPrefix(f.Type, prefix) {
			return true
		}
	}
	return false
}

// row is the first row that matches; the last one always does.
func (f failure) row() failureRow {
	i := 0
	for !byFailure[i].match(f) {
		i++
	}
	return byFailure[i]
}
