package local

import (
	"encoding/xml"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// routeOthers adds the services whose operations are all a POST to the root.
func (s *Server) routeOthers(mux *http.ServeMux) {
	mux.HandleFunc("/", s.operation("this", http.StatusOK, maxControlRequest, func(c *call) (any, *apiError) {
		return nil, errUnknownOperation(c.r)
	}))
	mux.HandleFunc("POST /{$}", func(w http.ResponseWriter, r *http.Request) {
		id := newRequestID()
		w.Header().Set("X-Amzn-RequestId", id)
		from, body, refused := s.auth.admit(r, maxControlRequest, "this")
		switch {
		case refused != nil && r.Header.Get("X-Amz-Target") != "":
			writeTargetError(w, refused)
		case refused != nil:
			writeQueryError(w, id, refused)
		case from.service == "logs":
			s.region(from.region).serveLogs(w, r, body)
		case from.service == "iam":
			serveQuery(w, id, body, "https://iam.amazonaws.com/doc/2010-05-08/", s.iam.operation)
		case from.service == "sts":
			serveQuery(w, id, body, "https://sts.amazonaws.com/doc/2011-06-15/", stsOperation)
		default:
			errUnknownOperation(r).write(w)
		}
	})
}

// A queryOperation takes the parameters of one operation and returns what its
// Result element holds.
type queryOperation func(url.Values) (any, *apiError)

// serveQuery speaks the AWS query protocol: a form in, XML out.
// https://smithy.io/2.0/aws/protocols/aws-query-protocol.html
func serveQuery(w http.ResponseWriter, id string, body []byte, namespace string, find func(action string) queryOperation) {
	form, err := url.ParseQuery(string(body))
	if err != nil {
		writeQueryError(w, id, &apiError{status: http.StatusBadRequest, code: "MalformedQueryString", message: err.Error()})
		return
	}
	action := form.Get("Action")
	serve := find(action)
	if serve == nil {
		writeQueryError(w, id, &apiError{status: http.StatusBadRequest, code: "InvalidAction", message: "lambdapool: local: there is no operation " + strconv.Quote(action) + " here"})
		return
	}
	result, refused := serve(form)
	if refused != nil {
		writeQueryError(w, id, refused)
		return
	}
	type metadata struct {
		RequestID string `xml:"RequestId"`
	}
	response := struct {
		XMLName   xml.Name
		Namespace string `xml:"xmlns,attr"`
		Result    any
		Metadata  metadata `xml:"ResponseMetadata"`
	}{XMLName: xml.Name{Local: action + "Response"}, Namespace: namespace, Metadata: metadata{id}}
	if result != nil {
		response.Result = named{action + "Result", result}
	}
	writeXML(w, http.StatusOK, response)
}

// named marshals a value as an element of that name.
type named struct {
	name  string
	value any
}

// MarshalXML implements [xml.Marshaler].
func (n named) MarshalXML(e *xml.Encoder, _ xml.StartElement) error {
	return e.EncodeElement(n.value, xml.StartElement{Name: xml.Name{Local: n.name}})
}

// queryCodes is what the services with the query protocol call the errors that
// all services have in common:
// https://docs.aws.amazon.com/IAM/latest/APIReference/CommonErrors.html
var queryCodes = map[string]string{
	"InvalidSignatureException":           "SignatureDoesNotMatch",
	"IncompleteSignatureException":        "IncompleteSignature",
	"MissingAuthenticationTokenException": "MissingAuthenticationToken",
	"UnrecognizedClientException":         "InvalidClientTokenId",
}

func writeQueryError(w http.ResponseWriter, id string, e *apiError) {
	type detail struct {
		Type    string
		Code    string
		Message string
	}
	if code, ok := queryCodes[e.code]; ok {
		e = &apiError{status: e.status, code: code, message: e.message}
	}
	kind := "Sender"
	if e.status >= http.StatusInternalServerError {
		kind = "Receiver"
	}
	writeXML(w, e.status, struct {
		XMLName   xml.Name `xml:"ErrorResponse"`
		Error     detail
		RequestID string `xml:"RequestId"`
	}{Error: detail{kind, e.code, e.message}, RequestID: id})
}

func writeXML(w http.ResponseWriter, status int, v any) {
	data, err := xml.Marshal(v)
	if err != nil {
		panic(err) // the shapes of answers always marshal
	}
	w.Header().Set("Content-Type", "text/xml")
	w.Header().Set("Content-Length", strconv.Itoa(len(data)))
	w.WriteHeader(status)
	_, _ = w.Write(data) // whoever is not there any more needs no answer
}

// writeTargetError writes an error of the AWS JSON 1.1 protocol.
func writeTargetError(w http.ResponseWriter, e *apiError) {
	w.Header().Set("X-Amzn-ErrorType", e.code)
	writeJSON(w, "application/x-amz-json-1.1", e.status, map[string]string{"__type": e.code, "message": e.message})
}

// stsOperation finds the operations of STS.
func stsOperation(action string) queryOperation {
	if action != "GetCallerIdentity" {
		return nil
	}
	return func(url.Values) (any, *apiError) {
		return struct {
			Arn     string
			UserID  string `xml:"UserId"`
			Account string
		}{"arn:aws:iam::" + account + ":user/local", "AIDALOCAL" + strings.Repeat("0", 12), account}, nil
	}
}
