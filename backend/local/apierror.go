package local

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"
)

// An apiError is how the service refuses a request.
// https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html#API_Invoke_Errors
type apiError struct {
	status     int
	code       string // goes into x-amzn-ErrorType
	message    string
	reason     string        // of a throttle
	retryAfter time.Duration // rounded up to seconds, since the header has no others
}

func (e *apiError) write(w http.ResponseWriter) {
	body := map[string]string{"Type": "User", "message": e.message, "Message": e.message}
	if e.status >= http.StatusInternalServerError {
		body["Type"] = "Service"
	}
	if e.reason != "" {
		body["Reason"] = e.reason
	}
	data, err := json.Marshal(body)
	if err != nil {
		panic(err) // a map of strings always marshals
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(data)))
	h.Set("X-Amzn-ErrorType", e.code)
	if e.retryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int((e.retryAfter+time.Second-1)/time.Second)))
	}
	w.WriteHeader(e.status)
	_, _ = w.Write(data) // whoever is not there any more needs no answer
}

func errInvalidContent(message string) *apiError {
	return &apiError{status: http.StatusBadRequest, code: "InvalidRequestContentException", message: message}
}

func errInvalidParameter(message string) *apiError {
	return &apiError{status: http.StatusBadRequest, code: "InvalidParameterValueException", message: message}
}

func errValidation(member, value, constraint string) *apiError {
	return &apiError{
		status: http.StatusBadRequest, code: "ValidationException",
		message: "1 validation error detected: Value '" + value + "' at '" + member + "' failed to satisfy constraint: " + constraint,
	}
}

func errNotFound(arn string) *apiError {
	return &apiError{status: http.StatusNotFound, code: "ResourceNotFoundException", message: "Function not found: " + arn}
}

func errConflict(message string) *apiError {
	return &apiError{status: http.StatusConflict, code: "ResourceConflictException", message: message}
}

func errRequestTooLarge(limit int, operation string) *apiError {
	return &apiError{
		status: http.StatusRequestEntityTooLarge, code: "RequestEntityTooLargeException",
		message: "Request must be smaller than " + strconv.Itoa(limit) + " bytes for the " + operation + " operation",
	}
}

func errUnknownOperation(r *http.Request) *apiError {
	return &apiError{
		status: http.StatusNotFound, code: "UnknownOperationException",
		message: "no operation at " + r.Method + " " + r.URL.Path + ": the embedded Lambda does not have it",
	}
}

var (
	errThrottled = &apiError{
		status: http.StatusTooManyRequests, code: "TooManyRequestsException", message: "Rate Exceeded.",
		reason: "ReservedFunctionConcurrentInvocationLimitExceeded", retryAfter: time.Second,
	}
	errAccountThrottled = &apiError{
		status: http.StatusTooManyRequests, code: "TooManyRequestsException", message: "Rate Exceeded.",
		reason: "ConcurrentInvocationLimitExceeded", retryAfter: time.Second,
	}
	errStale = &apiError{
		status: http.StatusPreconditionFailed, code: "PreconditionFailedException",
		message: "The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to retrieve the latest Revision Id",
	}
	errShutDown = &apiError{
		status: http.StatusServiceUnavailable, code: "ServiceUnavailableException",
		message: "lambdapool: local: the backend was closed; the function did not run",
	}
	errCutOff = &apiError{
		status: http.StatusInternalServerError, code: "ServiceException",
		message: "lambdapool: local: the backend was closed while the function ran",
	}
)

// noResources is Lambda's answer when the machine cannot start one more
// environment. The function did not run.
func noResources(err error) *apiError {
	return &apiError{
		status: http.StatusBadGateway, code: "EC2ThrottledException",
		message: "lambdapool: local: no agent can be started on this machine: " + err.Error(),
	}
}
