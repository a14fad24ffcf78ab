package controlplane

import (
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/lambdapool/lambdapool/backend/local/internal/wire"
)

const (
	// maxCodeRequest is what a request with a zip may have: 50 MB in base64, and 256 KB for the rest.
	maxCodeRequest = 70_167_211
)

// A call is one request to the control plane.
type call struct {
	*regional

	r    *http.Request
	body []byte
}

// lambdaOperations are those of
// https://docs.aws.amazon.com/lambda/latest/api/API_Operations.html
// that there are, beside Invoke. Each answers with its status and what serve returns, as JSON.
var lambdaOperations = []struct {
	name, pattern string
	status, limit int
	serve         func(*call) (any, *wire.Refusal)
}{
	{"CreateFunction", "POST /2015-03-31/functions", 201, maxCodeRequest, (*call).createFunction},
	{"ListFunctions", "GET /2015-03-31/functions", 200, 0, (*call).listFunctions},
	{"GetFunction", "GET /2015-03-31/functions/{name}", 200, 0, (*call).getFunction},
	{"DeleteFunction", "DELETE /2015-03-31/functions/{name}", 204, 0, (*call).deleteFunction},
	{"GetFunctionConfiguration", "GET /2015-03-31/functions/{name}/configuration", 200, 0, (*call).getFunctionConfiguration},
	{"UpdateFunctionConfiguration", "PUT /2015-03-31/functions/{name}/configuration", 200, wire.MaxRequest, (*call).updateFunctionConfiguration},
	{"UpdateFunctionCode", "PUT /2015-03-31/functions/{name}/code", 200, maxCodeRequest, (*call).updateFunctionCode},
	{"PublishVersion", "POST /2015-03-31/functions/{name}/versions", 201, wire.MaxRequest, (*call).publishVersion},
	{"ListVersionsByFunction", "GET /2015-03-31/functions/{name}/versions", 200, 0, (*call).listVersions},
	{"CreateAlias", "POST /2015-03-31/functions/{name}/aliases", 201, wire.MaxRequest, (*call).createAlias},
	{"ListAliases", "GET /2015-03-31/functions/{name}/aliases", 200, 0, (*call).listAliases},
	{"GetAlias", "GET /2015-03-31/functions/{name}/aliases/{alias}", 200, 0, (*call).getAlias},
	{"UpdateAlias", "PUT /2015-03-31/functions/{name}/aliases/{alias}", 200, wire.MaxRequest, (*call).updateAlias},
	{"DeleteAlias", "DELETE /2015-03-31/functions/{name}/aliases/{alias}", 204, 0, (*call).deleteAlias},
	{"PutFunctionConcurrency", "PUT /2017-10-31/functions/{name}/concurrency", 200, wire.MaxRequest, (*call).putConcurrency},
	{"GetFunctionConcurrency", "GET /2019-09-30/functions/{name}/concurrency", 200, 0, (*call).getConcurrency},
	{"DeleteFunctionConcurrency", "DELETE /2017-10-31/functions/{name}/concurrency", 204, 0, (*call).deleteConcurrency},
	{"PutFunctionEventInvokeConfig", "PUT /2019-09-25/functions/{name}/event-invoke-config", 200, wire.MaxRequest, (*call).putEventInvokeConfig},
	{"UpdateFunctionEventInvokeConfig", "POST /2019-09-25/functions/{name}/event-invoke-config", 200, wire.MaxRequest, (*call).updateEventInvokeConfig},
	{"GetFunctionEventInvokeConfig", "GET /2019-09-25/functions/{name}/event-invoke-config", 200, 0, (*call).getEventInvokeConfig},
	{"DeleteFunctionEventInvokeConfig", "DELETE /2019-09-25/functions/{name}/event-invoke-config", 204, 0, (*call).deleteEventInvokeConfig},
	{"ListFunctionEventInvokeConfigs", "GET /2019-09-25/functions/{name}/event-invoke-config/list", 200, 0, (*call).listEventInvokeConfigs},
	{"ListTags", "GET /2017-03-31/tags/{arn}", 200, 0, (*call).listTags},
	{"TagResource", "POST /2017-03-31/tags/{arn}", 204, wire.MaxRequest, (*call).tagResource},
	{"UntagResource", "DELETE /2017-03-31/tags/{arn}", 204, 0, (*call).untagResource},
	{"GetAccountSettings", "GET /2016-08-19/account-settings", 200, 0, (*call).getAccountSettings},
	{"AddPermission", "POST /2015-03-31/functions/{name}/policy", 201, wire.MaxRequest, (*call).addPermission},
	{"GetPolicy", "GET /2015-03-31/functions/{name}/policy", 200, 0, (*call).getPolicy},
	{"RemovePermission", "DELETE /2015-03-31/functions/{name}/policy/{statement}", 204, 0, (*call).removePermission},
	{"ListLayers", "GET /2018-10-31/layers", 200, 0, (*call).listLayers}, // and GetLayerVersionByArn
	{"PublishLayerVersion", "POST /2018-10-31/layers/{layer}/versions", 201, maxCodeRequest, (*call).publishLayerVersion},
	{"ListLayerVersions", "GET /2018-10-31/layers/{layer}/versions", 200, 0, (*call).listLayerVersions},
	{"GetLayerVersion", "GET /2018-10-31/layers/{layer}/versions/{version}", 200, 0, (*call).getLayerVersion},
	{"DeleteLayerVersion", "DELETE /2018-10-31/layers/{layer}/versions/{version}", 204, 0, (*call).deleteLayerVersion},
}

func (l *Lambda) routeLambda(mux *http.ServeMux) {
	for _, op := range lambdaOperations {
		mux.HandleFunc(op.pattern, l.operation(op.name, op.status, op.limit, op.serve))
	}
}

// operation admits the request, has it served and writes the answer.
func (l *Lambda) operation(name string, status, limit int, serve func(*call) (any, *wire.Refusal)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Amzn-RequestId", wire.RequestID())
		from, body, refused := l.cfg.Auth.Admit(r, limit, name, "lambda")
		var answer any
		if refused == nil {
			answer, refused = serve(&call{regional: l.region(from.Region), r: r, body: body})
		}
		if refused == nil && r.Method != http.MethodGet {
			refused = l.save()
		}
		if refused != nil {
			refused.Write(w)
			return
		}
		wire.WriteJSON(w, "application/json", status, answer)
	}
}

// read decodes the body. None at all is an empty object.
func (c *call) read(into any) *wire.Refusal {
	if len(c.body) == 0 {
		return nil
	}
	if err := wire.Decode(c.body, into); err != nil {
		return &wire.Refusal{Status: http.StatusBadRequest, Code: "SerializationException", Message: "Could not parse request body into json: " + err.Error()}
	}
	return nil
}

// id returns what the path and the query name.
func (c *call) id() (wire.FunctionID, *wire.Refusal) {
	return wire.Identify(c.r.PathValue("name"), c.r.URL.Query().Get("Qualifier"), c.name)
}

// found is the function that an operation on the whole of it names. The
// region's lock is held.
func (c *call) found() (*resource, *wire.Refusal) {
	id, refused := wire.Identify(c.r.PathValue("name"), "", c.name)
	switch {
	case refused != nil:
		return nil, refused
	case id.Qualifier != "" && id.Qualifier != wire.Latest:
		return nil, wire.InvalidParameter("This operation is permitted on Lambda functions only. Aliases and versions do not support this operation. Please specify either a function name or an unqualified function ARN.")
	}
	id.Qualifier = ""
	return c.function(id)
}

// paging reads Marker and MaxItems.
type paging struct {
	marker string // the key after which the page begins
	max    int
}

// maxPage is how many items a page of any list has at most.
const maxPage = 50

func (c *call) paging() (paging, *wire.Refusal) {
	p := paging{max: maxPage}
	query := c.r.URL.Query()
	if said := query.Get("MaxItems"); said != "" {
		n, err := strconv.Atoi(said)
		if err != nil {
			return p, wire.Validation("maxItems", said, "Member must be an integer")
		}
		if refused := within("maxItems", n, 1, 10_000); refused != nil {
			return p, refused
		}
		p.max = min(n, maxPage)
	}
	p.marker = query.Get("Marker")
	if !markerPattern.MatchString(p.marker) {
		return p, wire.InvalidParameter("The Marker " + strconv.Quote(p.marker) + " is not one that was returned.")
	}
	return p, nil
}

var markerPattern = regexp.MustCompile(`^[\w$ -]*$`)

// page cuts a page from all, which are in the order of their keys, and returns
// the marker of the next one. The item of a marker may be gone by then.
func page[T any](p paging, all []T, key func(T) string) (items []T, next *string) {
	from := 0
	for from < len(all) && p.marker != "" && key(all[from]) <= p.marker {
		from++
	}
	to := min(from+p.max, len(all))
	if to < len(all) {
		marker := key(all[to-1])
		next = &marker
	}
	return all[from:to], next
}

// versionKey orders versions: $LATEST, 1, 2, 10.
func versionKey(number string) string {
	return fmt.Sprintf("%12s", strings.TrimPrefix(number, wire.Latest))
}

// lastModified is how Lambda writes times.
func lastModified(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000-0700") }
