package wire

import (
	"encoding/xml"
	"net/http"
	"net/url"
	"strconv"
)

// A Query takes the parameters of one operation and returns what its
// Result element holds.
type Query func(url.Values) (any, *Refusal)

// ServeQuery speaks the AWS query protocol: a form in, XML out.
// https://smithy.io/2.0/aws/protocols/aws-query-protocol.html
func ServeQuery(w http.ResponseWriter, id string, body []byte, namespace string, find func(action string) Query) {
	form, err := url.ParseQuery(string(body))
	if err != nil {
		WriteQueryError(w, id, &Refusal{Status: http.StatusBadRequest, Code: "MalformedQueryString", Message: err.Error()})
		return
	}
	action := form.Get("Action")
	serve := find(action)
	if serve == nil {
		WriteQueryError(w, id, &Refusal{Status: http.StatusNotImplemented, Code: "InvalidAction", Message: "lambdapool: local: there is no operation " + strconv.Quote(action) + " here"})
		return
	}
	result, refused := serve(form)
	if refused != nil {
		WriteQueryError(w, id, refused)
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
		response.Result = element{action + "Result", result}
	}
	writeXML(w, http.StatusOK, response)
}

// element marshals a value as an element of that name.
type element struct {
	name  string
	value any
}

// MarshalXML implements [xml.Marshaler].
func (n element) MarshalXML(e *xml.Encoder, _ xml.StartElement) error {
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

// WriteQueryError answers in the AWS query protocol; id is of the request.
func WriteQueryError(w http.ResponseWriter, id string, e *Refusal) {
	type detail struct {
		Type    string
		Code    string
		Message string
	}
	if code, ok := queryCodes[e.Code]; ok {
		e = &Refusal{Status: e.Status, Code: code, Message: e.Message}
	}
	kind := "Sender"
	if e.Status >= http.StatusInternalServerError {
		kind = "Receiver"
	}
	writeXML(w, e.Status, struct {
		XMLName   xml.Name `xml:"ErrorResponse"`
		Error     detail
		RequestID string `xml:"RequestId"`
	}{Error: detail{kind, e.Code, e.Message}, RequestID: id})
}
