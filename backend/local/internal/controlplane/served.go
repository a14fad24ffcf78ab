package controlplane

import (
	"net/http"
	"sync"

	"github.com/lambdapool/lambdapool/backend/local/internal/service"
	"github.com/lambdapool/lambdapool/backend/local/internal/wire"
)

// notServed are the operations of Lambda that the embedded one has not, and why, for those
// who call them. Without a reason it is that lambdapool needs none of them.
// https://docs.aws.amazon.com/lambda/latest/api/API_Operations.html (2026-11)
var notServed = []struct{ name, pattern, why string }{
	{"InvokeAsync", "POST /2014-11-13/functions/{name}/invoke-async", "use Invoke with invocation type Event"},
	{"CreateFunctionUrlConfig", "POST /2021-10-31/functions/{name}/url", noURLs},
	{"GetFunctionUrlConfig", "GET /2021-10-31/functions/{name}/url", noURLs},
	{"UpdateFunctionUrlConfig", "PUT /2021-10-31/functions/{name}/url", noURLs},
	{"DeleteFunctionUrlConfig", "DELETE /2021-10-31/functions/{name}/url", noURLs},
	{"ListFunctionUrlConfigs", "GET /2021-10-31/functions/{name}/urls", noURLs},
	{"CreateEventSourceMapping", "POST /2015-03-31/event-source-mappings", noSources},
	{"ListEventSourceMappings", "GET /2015-03-31/event-source-mappings", noSources},
	{"GetEventSourceMapping", "GET /2015-03-31/event-source-mappings/{id}", noSources},
	{"UpdateEventSourceMapping", "PUT /2015-03-31/event-source-mappings/{id}", noSources},
	{"DeleteEventSourceMapping", "DELETE /2015-03-31/event-source-mappings/{id}", noSources},
	{"AddLayerVersionPermission", "POST /2018-10-31/layers/{layer}/versions/{version}/policy", noSharing},
	{"GetLayerVersionPolicy", "GET /2018-10-31/layers/{layer}/versions/{version}/policy", noSharing},
	{"RemoveLayerVersionPermission", "DELETE /2018-10-31/layers/{layer}/versions/{version}/policy/{statement}", noSharing},
	{"PutProvisionedConcurrencyConfig", "PUT /2019-09-30/functions/{name}/provisioned-concurrency", noProvisioned},
	{"GetProvisionedConcurrencyConfig", "GET /2019-09-30/functions/{name}/provisioned-concurrency", noProvisioned},
	{"DeleteProvisionedConcurrencyConfig", "DELETE /2019-09-30/functions/{name}/provisioned-concurrency", noProvisioned},
	{"CreateCodeSigningConfig", "POST /2020-04-22/code-signing-configs", ""},
	{"ListCodeSigningConfigs", "GET /2020-04-22/code-signing-configs", ""},
	{"GetCodeSigningConfig", "GET /2020-04-22/code-signing-configs/{arn}", ""},
	{"UpdateCodeSigningConfig", "PUT /2020-04-22/code-signing-configs/{arn}", ""},
	{"DeleteCodeSigningConfig", "DELETE /2020-04-22/code-signing-configs/{arn}", ""},
	{"ListFunctionsByCodeSigningConfig", "GET /2020-04-22/code-signing-configs/{arn}/functions", ""},
	{"PutFunctionCodeSigningConfig", "PUT /2020-06-30/functions/{name}/code-signing-config", ""},
	{"GetFunctionCodeSigningConfig", "GET /2020-06-30/functions/{name}/code-signing-config", ""},
	{"DeleteFunctionCodeSigningConfig", "DELETE /2020-06-30/functions/{name}/code-signing-config", ""},
	{"PutRuntimeManagementConfig", "PUT /2021-07-20/functions/{name}/runtime-management-config", ""},
	{"GetRuntimeManagementConfig", "GET /2021-07-20/functions/{name}/runtime-management-config", ""},
	{"PutFunctionRecursionConfig", "PUT /2024-08-31/functions/{name}/recursion-config", ""},
	{"GetFunctionRecursionConfig", "GET /2024-08-31/functions/{name}/recursion-config", ""},
	{"PutFunctionScalingConfig", "PUT /2025-11-30/functions/{name}/function-scaling-config", noManaged},
	{"GetFunctionScalingConfig", "GET /2025-11-30/functions/{name}/function-scaling-config", noManaged},
	{"CreateCapacityProvider", "POST /2025-11-30/capacity-providers", noManaged},
	{"ListCapacityProviders", "GET /2025-11-30/capacity-providers", noManaged},
	{"GetCapacityProvider", "GET /2025-11-30/capacity-providers/{provider}", noManaged},
	{"UpdateCapacityProvider", "PUT /2025-11-30/capacity-providers/{provider}", noManaged},
	{"DeleteCapacityProvider", "DELETE /2025-11-30/capacity-providers/{provider}", noManaged},
	{"ListFunctionVersionsByCapacityProvider", "GET /2025-11-30/capacity-providers/{provider}/function-versions", noManaged},
	{"ListDurableExecutionsByFunction", "GET /2025-12-01/functions/{name}/durable-executions", noDurable},
	{"GetDurableExecution", "GET /2025-12-01/durable-executions/{arn}", noDurable},
	{"GetDurableExecutionHistory", "GET /2025-12-01/durable-executions/{arn}/history", noDurable},
	{"GetDurableExecutionState", "GET /2025-12-01/durable-executions/{arn}/state", noDurable},
	{"CheckpointDurableExecution", "POST /2025-12-01/durable-executions/{arn}/checkpoint", noDurable},
	{"StopDurableExecution", "POST /2025-12-01/durable-executions/{arn}/stop", noDurable},
	{"SendDurableExecutionCallbackSuccess", "POST /2025-12-01/durable-execution-callbacks/{id}/succeed", noDurable},
	{"SendDurableExecutionCallbackFailure", "POST /2025-12-01/durable-execution-callbacks/{id}/fail", noDurable},
	{"SendDurableExecutionCallbackHeartbeat", "POST /2025-12-01/durable-execution-callbacks/{id}/heartbeat", noDurable},
}

const (
	noURLs        = "functions have no URLs here; invoke them by name"
	noSources     = "nothing here sends events to functions; invoke them with type Event"
	noSharing     = "there is one account here, and layers need not be shared"
	noProvisioned = "no environments are kept ready here"
	noManaged     = "there are no managed instances here"
	noDurable     = "there are no durable functions here"
)

// operationNames finds the name of an operation by its method and path. It knows all of
// Lambda's, those that this endpoint does not serve too.
var operationNames = sync.OnceValue(func() func(*http.Request) (name, why string) {
	type known struct{ name, why string }
	mux, names := http.NewServeMux(), map[string]known{}
	add := func(name, pattern, why string) {
		mux.Handle(pattern, http.NotFoundHandler())
		names[pattern] = known{name, why}
	}
	add("Invoke", service.InvokePattern, "")
	add("InvokeWithResponseStream", service.StreamPattern, "")
	for _, op := range lambdaOperations {
		add(op.name, op.pattern, "")
	}
	for _, op := range notServed {
		add(op.name, op.pattern, op.why)
	}
	return func(r *http.Request) (name, why string) {
		_, pattern := mux.Handler(r)
		k := names[pattern]
		if k.name == "GetProvisionedConcurrencyConfig" && r.URL.Query().Has("List") { // the same place
			k.name = "ListProvisionedConcurrencyConfigs"
		}
		return k.name, k.why
	}
})

// UnknownOperation refuses a request that no operation is at, by the name of the operation that
// it means, if Lambda has one. It is not the 404 of what does not exist: a client that asks whether
// something is there must not hear that it is not.
func UnknownOperation(r *http.Request) *wire.Refusal {
	what := "no operation at " + r.Method + " " + r.URL.Path
	why := ""
	if name, reason := operationNames()(r); name != "" {
		what = "no operation " + name + " (" + r.Method + " " + r.URL.Path + ")"
		why = reason
	}
	message := what + ": the embedded Lambda does not have it"
	if why != "" {
		message += ": " + why
	}
	return &wire.Refusal{Status: http.StatusNotImplemented, Code: "UnknownOperationException", Message: message}
}
