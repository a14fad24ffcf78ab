package awslambda_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	smithy "github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/awslambda"
)

// A codeRow is an error code of the service and what must be made of it.
type codeRow struct {
	status    int
	code      string
	outcome   lambdapool.Outcome
	kind      error
	permanent bool
}

const (
	unknown = lambdapool.OutcomeUnknown
	notRun  = lambdapool.OutcomeNotRun
	ran     = lambdapool.OutcomeRan
)

var (
	throttled = lambdapool.ErrThrottled
	crashed   = lambdapool.ErrAgentCrashed
	denied    = lambdapool.ErrAccessDenied
	malformed = lambdapool.ErrBadArguments
)

var codeRows = []codeRow{
	{429, "TooManyRequestsException", notRun, throttled, false},
	{502, "EC2ThrottledException", notRun, throttled, false},
	{502, "ENILimitReachedException", notRun, throttled, false},
	{502, "SubnetIPAddressLimitReachedException", notRun, throttled, false},
	{429, "Throttling", notRun, throttled, false},
	{400, "ThrottlingException", notRun, throttled, false},
	{400, "ThrottledException", notRun, throttled, false},
	{400, "RequestThrottled", notRun, throttled, false},
	{400, "RequestThrottledException", notRun, throttled, false},
	{503, "RequestLimitExceeded", notRun, throttled, false},

	{409, "ResourceConflictException", notRun, crashed, false},
	{502, "ResourceNotReadyException", notRun, crashed, false},
	{409, "CodeArtifactUserPendingException", notRun, crashed, false},
	{409, "SnapStartNotReadyException", notRun, crashed, false},
	{408, "SnapStartTimeoutException", notRun, crashed, false},
	{502, "ENINotReadyException", notRun, crashed, false},
	{502, "EC2UnexpectedException", notRun, crashed, false},
	{408, "EFSMountConnectivityException", notRun, crashed, false},
	{408, "EFSMountTimeoutException", notRun, crashed, false},
	{408, "S3FilesMountConnectivityException", notRun, crashed, false},
	{408, "S3FilesMountTimeoutException", notRun, crashed, false},

	{502, "EC2AccessDeniedException", notRun, crashed, true},
	{403, "EFSMountFailureException", notRun, crashed, true},
	{403, "S3FilesMountFailureException", notRun, crashed, true},
	{502, "KMSAccessDeniedException", notRun, crashed, true},
	{502, "KMSDisabledException", notRun, crashed, true},
	{502, "KMSInvalidStateException", notRun, crashed, true},
	{502, "KMSNotFoundException", notRun, crashed, true},
	{502, "InvalidSecurityGroupIDException", notRun, crashed, true},
	{502, "InvalidSubnetIDException", notRun, crashed, true},
	{502, "InvalidRuntimeException", notRun, crashed, true},
	{502, "InvalidZipFileException", notRun, crashed, true},
	{409, "CodeArtifactUserDeletedException", notRun, crashed, true},
	{409, "CodeArtifactUserFailedException", notRun, crashed, true},
	{400, "SnapStartException", notRun, crashed, true},
	{400, "SnapStartRegenerationFailureException", notRun, crashed, true},
	{400, "RecursiveInvocationException", notRun, crashed, true},

	{403, "AccessDeniedException", notRun, denied, true},
	{403, "AccessDenied", notRun, denied, true},
	{403, "NotAuthorized", notRun, denied, true},
	{403, "OptInRequired", notRun, denied, true},
	{403, "UnrecognizedClientException", notRun, denied, true},
	{403, "InvalidClientTokenId", notRun, denied, true},
	{403, "InvalidAccessKeyId", notRun, denied, true},
	{403, "ExpiredTokenException", notRun, denied, true},
	{400, "ExpiredToken", notRun, denied, true},
	{403, "InvalidSignatureException", notRun, denied, true},
	{403, "SignatureDoesNotMatch", notRun, denied, true},
	{400, "IncompleteSignature", notRun, denied, true},
	{400, "IncompleteSignatureException", notRun, denied, true},
	{403, "MissingAuthenticationToken", notRun, denied, true},
	{403, "MissingAuthenticationTokenException", notRun, denied, true},
	{400, "RequestExpired", notRun, denied, true},
	{403, "RequestTimeTooSkewed", notRun, denied, true},

	{404, "ResourceNotFoundException", notRun, lambdapool.ErrFunctionNotFound, true},
	{400, "NoPublishedVersionException", notRun, lambdapool.ErrFunctionNotFound, true},
	{404, "UnknownOperationException", notRun, lambdapool.ErrFunctionNotFound, true},
	{413, "RequestTooLargeException", notRun, lambdapool.ErrTooLarge, true},
	{413, "RequestEntityTooLargeException", notRun, lambdapool.ErrTooLarge, true},
	{413, "SerializedRequestEntityTooLargeException", notRun, lambdapool.ErrTooLarge, true},
	{400, "InvalidRequestContentException", notRun, malformed, true},
	{415, "UnsupportedMediaTypeException", notRun, malformed, true},
	{400, "ValidationException", notRun, malformed, true},
	{400, "InvalidParameterValueException", notRun, malformed, true},
	{400, "ModeNotSupportedException", notRun, malformed, true},
	{409, "DurableExecutionAlreadyStartedException", notRun, malformed, true},

	{500, "ServiceException", unknown, lambdapool.ErrUnknownOutcome, false},
	{410, "EFSIOException", unknown, crashed, false},

	// No code that is known: the status decides, if it can.
	{401, "", notRun, denied, true},
	{403, "", notRun, denied, true},
	{404, "", notRun, lambdapool.ErrFunctionNotFound, true},
	{413, "", notRun, lambdapool.ErrTooLarge, true},
	{429, "", notRun, throttled, false},
	{429, "NewKindOfThrottle", notRun, throttled, false},
	{400, "", unknown, lambdapool.ErrUnknownOutcome, false},
	{400, "NewException", unknown, lambdapool.ErrUnknownOutcome, false},
	{408, "", unknown, lambdapool.ErrUnknownOutcome, false},
	{409, "", unknown, lambdapool.ErrUnknownOutcome, false},
	{500, "", unknown, lambdapool.ErrUnknownOutcome, false},
	{502, "", unknown, lambdapool.ErrUnknownOutcome, false},
	{503, "", unknown, lambdapool.ErrUnknownOutcome, false},
	{504, "", unknown, lambdapool.ErrUnknownOutcome, false},
	{204, "", unknown, lambdapool.ErrUnknownOutcome, false},
}

// The modelled errors of the service that are other operations' business
// (managing functions, layers, code signing, capacity, durable executions).
// Invoke does not return them; if it does one day, the outcome is unknown.
var notInvokes = []string{
	"AliasLimitExceededException", "CallbackTimeoutException", "CapacityProviderLimitExceededException",
	"CodeSigningConfigNotFoundException", "CodeStorageExceededException", "CodeVerificationFailedException",
	"FunctionVersionsPerCapacityProviderLimitExceededException", "InvalidCodeSignatureException",
	"PolicyLengthExceededException", "PreconditionFailedException", "ProvisionedConcurrencyConfigNotFoundException",
	"PublicPolicyException", "ResourceInUseException", "ServiceQuotaExceededException",
}

func TestCodes(t *testing.T) {
	var row codeRow
	f := newFake(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("X-Amzn-Requestid", "id-1")
		w.Header().Set("Content-Type", "application/json")
		if row.code != "" {
			w.Header().Set("X-Amzn-Errortype", row.code+":http://internal.amazon.com/coral/com.amazonaws.lambda/")
		}
		w.WriteHeader(row.status)
		if row.status != http.StatusNoContent {
			fmt.Fprint(w, `{"Type":"User","message":"words"}`)
		}
	})
	b := f.open(t)
	for _, row = range codeRows {
		t.Run(fmt.Sprint(row.status, row.code), func(t *testing.T) {
			e := f.fails(t, b, 1)
			got := codeRow{row.status, row.code, e.Outcome, e.Kind, e.Permanent}
			if diff := cmp.Diff(row, got, cmp.AllowUnexported(codeRow{}), cmp.Comparer(errors.Is)); diff != "" {
				t.Errorf("%v (-want +got):\n%s", e, diff)
			}
			if e.RequestID != "id-1" {
				t.Errorf("request id %q", e.RequestID)
			}
			if !strings.Contains(e.Err.Error(), fmt.Sprint(row.status)) || !strings.Contains(e.Err.Error(), row.code) {
				t.Errorf("%q does not name status %d and code %q", e.Err, row.status, row.code)
			}
		})
	}
}

// Every error that the SDK knows has a row, or is known not to be Invoke's.
func TestCodesAreComplete(t *testing.T) {
	modelled := 0
	for id, entry := range lambda.TypeRegistry.Entries {
		api, ok := entry.New().(smithy.APIError)
		if !ok {
			continue
		}
		modelled++
		tested := slices.ContainsFunc(codeRows, func(r codeRow) bool { return r.code == api.ErrorCode() })
		if excluded := slices.Contains(notInvokes, api.ErrorCode()); tested == excluded {
			t.Errorf("%s: has a row: %t, is excluded: %t", id, tested, excluded)
		}
	}
	if modelled < 50 {
		t.Errorf("the SDK's registry has only %d errors: is it still where they are?", modelled)
	}
}

func TestThrottle(t *testing.T) {
	date := time.Now().Add(90 * time.Second).UTC().Format(http.TimeFormat)
	var header, reason string
	f := newFake(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if header != "" {
			w.Header().Set("Retry-After", header)
		}
		w.Header().Set("X-Amzn-Errortype", "TooManyRequestsException")
		w.WriteHeader(http.StatusTooManyRequests)
		fmt.Fprintf(w, `{"Reason":%q,"Type":"User","message":"Rate Exceeded."}`, reason)
	})
	b := f.open(t)
	for _, r := range types.ThrottleReason("").Values() {
		reason = string(r)
		e := f.fails(t, b, 1)
		var modelled *types.TooManyRequestsException
		if e.Reason != reason || e.RetryAfter != 0 || !errors.As(e, &modelled) || !strings.Contains(e.Error(), reason) {
			t.Errorf("%v: reason %q, want %q; retry after %v", e, e.Reason, reason, e.RetryAfter)
		}
	}
	for _, tt := range []struct {
		header   string
		min, max time.Duration
	}{
		{"", 0, 0},
		{"0", 0, 0},
		{"3", 3 * time.Second, 3 * time.Second},
		{" 0.5 ", 500 * time.Millisecond, 500 * time.Millisecond},
		{"-3", 0, 0},
		{"soon", 0, 0},
		{"NaN", 0, 0},
		{"1e300", time.Hour, time.Hour},
		{date, 80 * time.Second, 90 * time.Second},
		{"Mon, 02 Jan 2006 15:04:05 GMT", 0, 0},
		{"Fri, 31 Dec 9999 23:59:59 GMT", time.Hour, time.Hour},
	} {
		header = tt.header
		if e := f.fails(t, b, 1); e.RetryAfter < tt.min || e.RetryAfter > tt.max || e.Outcome != notRun {
			t.Errorf("Retry-After %q: %v, outcome %v; want %v to %v", tt.header, e.RetryAfter, e.Outcome, tt.min, tt.max)
		}
	}
}

const reportLine = "REPORT RequestId: id-1\tDuration: 2500.00 ms\tBilled Duration: 2600 ms\tMemory Size: 128 MB\tMax Memory Used: %d MB\t\n"

func TestFunctionErrors(t *testing.T) {
	tests := []struct {
		name      string
		body      string
		tail      string
		outcome   lambdapool.Outcome
		kind      error
		permanent bool
		says      []string // in the error
		hint      string
	}{
		{"reply too large", `{"errorType":"Function.ResponseSizeTooLarge","errorMessage":"Response payload size exceeded maximum allowed payload size (6291556 bytes)."}`, "",
			ran, lambdapool.ErrTooLarge, true, []string{"6291556"}, "S3"},
		{"timeout, as it is now", `{"errorType":"Sandbox.Timedout","errorMessage":"RequestId: id-1 Error: Task timed out after 3.00 seconds"}`, "",
			ran, lambdapool.ErrTimeout, false, []string{"3.00 seconds"}, "timeout"},
		{"timeout, as it was", `{"errorMessage":"2026-11-20T10:00:00.000Z id-1 Task timed out after 3.00 seconds"}`, "",
			ran, lambdapool.ErrTimeout, false, []string{"3.00 seconds"}, "timeout"},
		{"killed", `{"errorType":"Runtime.ExitError","errorMessage":"RequestId: id-1 Error: Runtime exited with error: signal: killed"}`, fmt.Sprintf(reportLine, 128),
			ran, lambdapool.ErrOutOfMemory, false, []string{"signal: killed", "memory 128 of 128 MB", "ran 2.5s", "billed 2.6s"}, "memory"},
		{"killed, no report", `{"errorType":"Runtime.ExitError","errorMessage":"RequestId: id-1 Error: Runtime exited with error: signal: killed"}`, "",
			ran, crashed, false, []string{"signal: killed"}, "log"},
		{"killed, and not for its memory", `{"errorType":"Runtime.ExitError","errorMessage":"RequestId: id-1 Error: Runtime exited with error: signal: killed"}`, fmt.Sprintf(reportLine, 60),
			ran, crashed, false, []string{"signal: killed", "memory 60 of 128 MB"}, "log"},
		{"ended at its limit", `{"errorType":"Runtime.ExitError","errorMessage":"RequestId: id-1 Error: Runtime exited with error: exit status 2"}`, fmt.Sprintf(reportLine, 128),
			ran, lambdapool.ErrOutOfMemory, false, []string{"exit status 2", "memory 128 of 128 MB"}, "memory"},
		{"runtime out of memory", `{"errorType":"Runtime.OutOfMemory","errorMessage":"RequestId: id-1 Error: out of memory"}`, "",
			ran, lambdapool.ErrOutOfMemory, false, nil, "memory"},
		{"killed while starting", `{"errorType":"Runtime.ExitError","errorMessage":"RequestId: id-1 Error: Runtime exited with error: signal: killed"}`,
			"INIT_REPORT Init Duration: 40.00 ms\tPhase: invoke\tStatus: error\tError Type: Runtime.ExitError\nSTART RequestId: id-1\n" + fmt.Sprintf(reportLine, 128),
			notRun, lambdapool.ErrOutOfMemory, true, nil, "memory"},
		{"exit status", `{"errorType":"Runtime.ExitError","errorMessage":"RequestId: id-1 Error: Runtime exited with error: exit status 3"}`, fmt.Sprintf(reportLine, 60),
			ran, crashed, false, []string{"exit status 3", "memory 60 of 128 MB"}, "log"},
		{"exit without a reason", `{"errorType":"Runtime.ExitError","errorMessage":"RequestId: id-1 Error: Runtime exited without providing a reason"}`, "",
			ran, crashed, false, nil, "log"},
		{"segmentation fault", `{"errorType":"Runtime.ExitError","errorMessage":"RequestId: id-1 Error: Runtime exited with error: signal: segmentation fault"}`, "",
			ran, crashed, false, []string{"segmentation fault"}, "log"},
		{"exit while starting", `{"errorType":"Runtime.ExitError","errorMessage":"RequestId: id-1 Error: Runtime exited with error: exit status 1"}`,
			"INIT_REPORT Init Duration: 3.00 ms\tPhase: init\tStatus: error\tError Type: Runtime.ExitError\nINIT_REPORT Init Duration: 3.00 ms\tPhase: invoke\tStatus: error\tError Type: Runtime.ExitError\n" + fmt.Sprintf(reportLine, 20),
			notRun, crashed, true, []string{"exit status 1"}, "log"},
		{"exit while starting, JSON", `{"errorType":"Runtime.ExitError","errorMessage":"RequestId: id-1 Error: Runtime exited with error: exit status 1"}`,
			`{"time":"2026-11-20T10:00:00Z","type":"platform.initReport","record":{"phase":"invoke","status":"error","errorType":"Runtime.ExitError"}}` + "\n",
			notRun, crashed, true, nil, "log"},
		{"exit while starting, the run took no time", `{"errorType":"Runtime.ExitError","errorMessage":"RequestId: id-1 Error: Runtime exited with error: exit status 1"}`,
			"INIT_REPORT Init Duration: 3.00 ms\tPhase: init\tStatus: error\tError Type: Runtime.ExitError\nREPORT RequestId: id-1\tDuration: 0.00 ms\tBilled Duration: 3 ms\tMemory Size: 128 MB\tMax Memory Used: 20 MB\t\n",
			notRun, crashed, true, nil, "log"},
		{"first start failed, second did not", `{"errorType":"Runtime.ExitError","errorMessage":"RequestId: id-1 Error: Runtime exited with error: exit status 1"}`,
			"INIT_REPORT Init Duration: 10000.00 ms\tPhase: init\tStatus: timeout\n" + fmt.Sprintf(reportLine, 20),
			ran, crashed, false, nil, "log"},
		{"start failed, its report was cut off", `{"errorType":"Runtime.ExitError","errorMessage":"RequestId: id-1 Error: Runtime exited with error: exit status 1"}`,
			"INIT_REPORT Init Duration: 10000.00 ms\tPhase: init\tStatus: timeout\n",
			ran, crashed, false, nil, "log"},
		{"start timed out", `{"errorType":"Sandbox.Timedout","errorMessage":"RequestId: id-1 Error: Task timed out after 3.00 seconds"}`,
			"INIT_REPORT Init Duration: 3000.00 ms\tPhase: invoke\tStatus: timeout\n" + fmt.Sprintf(reportLine, 20),
			notRun, crashed, true, nil, "log"},
		{"no executable", `{"errorType":"Runtime.InvalidEntrypoint","errorMessage":"RequestId: id-1 Error: fork/exec /var/task/bootstrap: exec format error"}`, "",
			notRun, crashed, true, []string{"exec format error"}, "architecture"},
		{"extension does not start", `{"errorType":"Extension.LaunchError","errorMessage":"RequestId: id-1 Error: fork/exec /opt/extensions/x: permission denied"}`, "",
			notRun, crashed, true, nil, "bootstrap"},
		{"extension crashes", `{"errorType":"Extension.Crash","errorMessage":"RequestId: id-1 Error: exit status 1"}`, "",
			unknown, crashed, false, []string{"Extension.Crash"}, "log"},
		{"unheard-of platform error", `{"errorType":"Runtime.BrandNew","errorMessage":"words"}`, "",
			unknown, crashed, false, []string{"Runtime.BrandNew"}, "log"},
		{"another runtime", `{"errorType":"TypeError","errorMessage":"Cannot read properties of undefined","stackTrace":["at x"]}`, "",
			ran, lambdapool.ErrDecode, true, []string{"TypeError"}, "lambdapool agent"},
		{"nothing readable", `<html>`, "",
			unknown, lambdapool.ErrUnknownOutcome, false, []string{"without saying how"}, "may have run"},
		{"nothing", ``, "", unknown, lambdapool.ErrUnknownOutcome, false, nil, ""},
		{"JSON of another shape", `["errorType"]`, "", unknown, lambdapool.ErrUnknownOutcome, false, nil, ""},
	}
	for _, word := range []string{"Handled", "Unhandled"} {
		for _, tt := range tests {
			t.Run(word+"/"+tt.name, func(t *testing.T) {
				if tt.body != "" && tt.body[0] == '{' && !json.Valid([]byte(tt.body)) {
					t.Fatal("the test's body is not JSON")
				}
				f := newFake(t, func(w http.ResponseWriter, r *http.Request) {
					_, _ = io.Copy(io.Discard, r.Body)
					h := w.Header()
					h.Set("X-Amz-Request-Id", "id-1")
					h.Set("X-Amz-Function-Error", word)
					h.Set("X-Amz-Executed-Version", "4")
					h.Set("X-Amz-Log-Result", base64.StdEncoding.EncodeToString([]byte(tt.tail)))
					fmt.Fprint(w, tt.body)
				})
				e := f.fails(t, f.open(t), 1)
				if e.Outcome != tt.outcome || !errors.Is(e.Kind, tt.kind) || e.Permanent != tt.permanent {
					t.Errorf("%v: outcome %v, permanent %t; want %v, %v, %t", e, e.Outcome, e.Permanent, tt.kind, tt.outcome, tt.permanent)
				}
				for _, s := range tt.says {
					if !strings.Contains(e.Error(), s) {
						t.Errorf("%q does not say %q", e, s)
					}
				}
				if !strings.Contains(e.Hint, tt.hint) {
					t.Errorf("hint %q, want %q in it", e.Hint, tt.hint)
				}
				if e.RequestID != "id-1" || e.LogTail != tt.tail {
					t.Errorf("request id %q, log tail %q", e.RequestID, e.LogTail)
				}
				if e.Response == nil || e.Response.ExecutedVersion != "4" || e.Response.Payload != nil {
					t.Errorf("measurements %+v", e.Response)
				} else if strings.Contains(tt.tail, "Billed Duration: 2600 ms") && e.Response.Billed != 2600*time.Millisecond {
					t.Errorf("billed %v, want 2.6s", e.Response.Billed)
				}
			})
		}
	}
}

// The error quotes at most a part of what a stranger sends.
func TestLongWords(t *testing.T) {
	long := strings.Repeat("ä", 100_000)
	f := newFake(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusConflict)
		fmt.Fprintf(w, `{"__type":"ResourceConflictException","message":%q}`, long)
	})
	e := f.fails(t, f.open(t, awslambda.WithLogTail(false)), 1)
	if len(e.Error()) > 1000 || !strings.Contains(e.Error(), "ResourceConflictException") {
		t.Errorf("%d bytes: %.100s", len(e.Error()), e)
	}
}
