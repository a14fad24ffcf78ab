package sandbox

import (
	"net/http"

	"github.com/lambdapool/lambdapool/backend/local/internal/wire"
)

var (
	// ShutDown is the answer to an invocation that the end of the backend has kept from running.
	ShutDown = &wire.Refusal{
		Status: http.StatusServiceUnavailable, Code: "ServiceUnavailableException",
		Message: "lambdapool: local: the backend was closed; the function did not run",
	}
	// CutOff is the answer to an invocation that was running then.
	CutOff = &wire.Refusal{
		Status: http.StatusInternalServerError, Code: "ServiceException",
		Message: "lambdapool: local: the backend was closed while the function ran",
	}
)
