package runlocal

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
)

const unauthenticated = "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project."

// statuses are google.rpc.Code's names for what is refused here.
// https://cloud.google.com/apis/design/errors
var statuses = map[int]string{
	http.StatusBadRequest:   "INVALID_ARGUMENT",
	http.StatusUnauthorized: "UNAUTHENTICATED",
	http.StatusForbidden:    "PERMISSION_DENIED",
	http.StatusNotFound:     "NOT_FOUND",
	http.StatusConflict:     "ALREADY_EXISTS",
}

// An apiFault is a refusal of an API. code is that of google.rpc where the status does not say it.
type apiFault struct {
	status  int
	code    string
	message string
}

func fault(status int, message string) *apiFault {
	return &apiFault{status, statuses[status], message}
}

func (f *apiFault) write(w http.ResponseWriter) {
	reply(w, f.status, map[string]any{"error": map[string]any{"code": f.status, "message": f.message, "status": f.code}})
}

// refuse answers as Google's APIs do.
func refuse(w http.ResponseWriter, status int, message string) { fault(status, message).write(w) }

func reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	w.WriteHeader(status)
	_, _ = w.Write(encode(v))
}

// encode is for what is known to have a JSON form.
func encode(v any) []byte {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return data
}

// maxRequest is more than any request of an API here has.
const maxRequest = 1 << 20

// read decodes a request's body, or refuses it: Google's APIs take no field that they do not know.
func read(w http.ResponseWriter, r *http.Request, into any) bool {
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxRequest))
	dec.DisallowUnknownFields()
	err := dec.Decode(into)
	if err == nil && dec.More() {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		message := "Invalid JSON payload received. " + strings.TrimPrefix(err.Error(), "json: ")
		refuse(w, http.StatusBadRequest, message)
	}
	return err == nil
}
