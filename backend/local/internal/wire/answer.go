package wire

import (
	"encoding/json"
	"encoding/xml"
	"net/http"
	"strconv"
)

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

// WriteTargetError writes an error of the AWS JSON 1.1 protocol.
func WriteTargetError(w http.ResponseWriter, e *Refusal) {
	w.Header().Set("X-Amzn-ErrorType", e.Code)
	WriteJSON(w, "application/x-amz-json-1.1", e.Status, map[string]string{"__type": e.Code, "message": e.Message})
}

// WriteJSON answers with a value as JSON; with nil it answers with the status alone.
func WriteJSON(w http.ResponseWriter, contentType string, status int, answer any) {
	if answer == nil {
		w.WriteHeader(status)
		return
	}
	data, err := json.Marshal(answer)
	if err != nil {
		panic(err) // the shapes of answers always marshal
	}
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(data)))
	w.WriteHeader(status)
	_, _ = w.Write(data) // whoever is not there any more needs no answer
}
