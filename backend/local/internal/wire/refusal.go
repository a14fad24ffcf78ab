package wire

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"
)

// A Refusal is why a service does not serve a request, and how it says so. Write is for the
// clients of Lambda; WriteTargetError and WriteQueryError say the same to others.
// https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html#API_Invoke_Errors
type Refusal struct {
	Status     int
	Code       string // goes into x-amzn-ErrorType
	Message    string
	Reason     string        // of a throttle
	RetryAfter time.Duration // rounded up to seconds, since the header has no others
}

// Write answers as Lambda does. Whoever has gone hears nothing.
func (e *Refusal) Write(w http.ResponseWriter) {
	body := map[string]string{"Type": "User", "message": e.Message, "Message": e.Message}
	if e.Status >= http.StatusInternalServerError {
		body["Type"] = "Service"
	}
	if e.Reason != "" {
		body["Reason"] = e.Reason
	}
	data, err := json.Marshal(body)
	if err != nil {
		panic(err) // a map of strings always marshals
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(data)))
	h.Set("X-Amzn-ErrorType", e.Code)
	if e.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int((e.RetryAfter+time.Second-1)/time.Second)))
	}
	w.WriteHeader(e.Status)
	_, _ = w.Write(data) // whoever is not there any more needs no answer
}

// InvalidContent refuses a body, or a header, that is not what it must be.
func InvalidContent(message string) *Refusal {
	return &Refusal{Status: http.StatusBadRequest, Code: "InvalidRequestContentException", Message: message}
}

// InvalidParameter refuses a value that has the right shape, and cannot be.
func InvalidParameter(message string) *Refusal {
	return &Refusal{Status: http.StatusBadRequest, Code: "InvalidParameterValueException", Message: message}
}

// Validation refuses a member whose value does not satisfy a constraint of the API's model.
func Validation(member, value, constraint string) *Refusal {
	return &Refusal{
		Status: http.StatusBadRequest, Code: "ValidationException",
		Message: "1 validation error detected: Value '" + value + "' at '" + member + "' failed to satisfy constraint: " + constraint,
	}
}

// NotFound says that there is no function of that ARN.
func NotFound(arn string) *Refusal {
	return &Refusal{Status: http.StatusNotFound, Code: "ResourceNotFoundException", Message: "Function not found: " + arn}
}

// Conflict refuses what the state of the function does not allow now.
func Conflict(message string) *Refusal {
	return &Refusal{Status: http.StatusConflict, Code: "ResourceConflictException", Message: message}
}

// TooLarge refuses a body of more than limit bytes.
func TooLarge(limit int, operation string) *Refusal {
	return &Refusal{
		Status: http.StatusRequestEntityTooLarge, Code: "RequestEntityTooLargeException",
		Message: "Request must be smaller than " + strconv.Itoa(limit) + " bytes for the " + operation + " operation",
	}
}

// Failed says that the service could not do its part, and why: it is not to blame on the
// request, which may be repeated.
func Failed(what string, err error) *Refusal {
	return &Refusal{Status: http.StatusInternalServerError, Code: "ServiceException", Message: "lambdapool: local: " + what + ": " + err.Error()}
}
