package runlocal

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// adminRoutes is the Admin API v2.
func (s *Server) adminRoutes(mux *http.ServeMux) {
	const services = "/v2/projects/{project}/locations/{region}/services"
	mux.HandleFunc("POST "+services, s.allowed("run.services.create", s.createService))
	mux.HandleFunc("GET "+services, s.allowed("run.services.list", s.listServices))
	mux.HandleFunc("GET "+services+"/{id}", func(w http.ResponseWriter, r *http.Request) {
		if _, verb, _ := strings.Cut(r.PathValue("id"), ":"); verb == "getIamPolicy" {
			s.allowed("run.services.getIamPolicy", s.getPolicy)(w, r)
			return
		}
		s.allowed("run.services.get", s.getService)(w, r)
	})
	mux.HandleFunc("POST "+services+"/{id}", func(w http.ResponseWriter, r *http.Request) {
		if _, verb, _ := strings.Cut(r.PathValue("id"), ":"); verb == "setIamPolicy" {
			s.allowed("run.services.setIamPolicy", s.setPolicyOf)(w, r)
			return
		}
		refuse(w, http.StatusNotFound, "Method not found.")
	})
	mux.HandleFunc("PATCH "+services+"/{id}", s.allowed("run.services.update", s.updateService))
	mux.HandleFunc("DELETE "+services+"/{id}", s.allowed("run.services.delete", s.deleteService))
	const operations = "/v2/projects/{project}/locations/{region}/operations/{id}"
	mux.HandleFunc("GET "+operations, s.allowed("run.operations.get", s.getOperation))
	mux.HandleFunc("POST "+operations, s.allowed("run.operations.get", s.waitOperation))
}

// A method answers a request of somebody who may make it. name is the resource's.
type method func(w http.ResponseWriter, r *http.Request, caller, name string)

// allowed checks who calls, and whether they may.
func (s *Server) allowed(permission string, m method) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		caller := s.bearer(r)
		if caller == "" {
			w.Header().Set("WWW-Authenticate", `Bearer realm="https://accounts.google.com/", error="invalid_token"`)
			refuse(w, http.StatusUnauthorized, unauthenticated)
			return
		}
		name, _, _ := strings.Cut(r.URL.Path[len("/v2/"):], ":")
		if !s.may(caller, permission, name) || r.PathValue("project") != s.options.Project {
			refuse(w, http.StatusForbidden, fmt.Sprintf("Permission '%s' denied on resource '%s' (or resource may not exist).", permission, name))
			return
		}
		if r.PathValue("region") != s.options.Region {
			refuse(w, http.StatusNotFound, fmt.Sprintf("Location %s is not found or access is unauthorized.", r.PathValue("region")))
			return
		}
		m(w, r, caller, name)
	}
}

func (s *Server) find(name string) *service {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.services[name]
}

func missing(w http.ResponseWriter, what, name string) {
	refuse(w, http.StatusNotFound, fmt.Sprintf("Resource '%s' of kind '%s' does not exist.", name, what))
}

func (s *Server) getService(w http.ResponseWriter, _ *http.Request, _, name string) {
	if svc := s.find(name); svc != nil {
		reply(w, http.StatusOK, svc.shown())
		return
	}
	missing(w, "SERVICE", name)
}

// listServices pages by the last name that was shown.
func (s *Server) listServices(w http.ResponseWriter, r *http.Request, _, _ string) {
	size, err := strconv.Atoi(cmp.Or(r.URL.Query().Get("pageSize"), "100"))
	if err != nil || size < 0 {
		refuse(w, http.StatusBadRequest, "pageSize must not be negative.")
		return
	}
	after := r.URL.Query().Get("pageToken")
	s.mu.Lock()
	names := slices.Sorted(maps.Keys(s.services))
	s.mu.Unlock()
	names = slices.DeleteFunc(names, func(name string) bool { return name <= after })
	answer := struct {
		Services []serviceJSON `json:"services,omitempty"`
		Next     string        `json:"nextPageToken,omitempty"`
	}{}
	for _, name := range names {
		if len(answer.Services) == min(cmp.Or(size, 100), 1000) {
			answer.Next = answer.Services[len(answer.Services)-1].Name
			break
		}
		if svc := s.find(name); svc != nil {
			answer.Services = append(answer.Services, svc.shown())
		}
	}
	reply(w, http.StatusOK, answer)
}

func (s *Server) createService(w http.ResponseWriter, r *http.Request, caller, parent string) {
	var in serviceJSON
	if !read(w, r, &in) {
		return
	}
	id := r.URL.Query().Get("serviceId")
	if !idPattern.MatchString(id) || in.Name != "" {
		refuse(w, http.StatusBadRequest, "service_id must be lower-case letters, digits and hyphens, less than 50 characters; Service.name must be empty.")
		return
	}
	s.create(w, r, caller, parent+"/"+id, in)
}

func (s *Server) create(w http.ResponseWriter, r *http.Request, caller, name string, in serviceJSON) {
	now := time.Now().UTC()
	state := settable(in)
	state.Name, state.UID, state.Generation, state.Reconciling = name, strings.ToLower(rand.Text()), 1, true
	state.CreateTime, state.UpdateTime, state.Creator, state.LastModifier = &now, &now, caller, caller
	state.Ingress, state.LaunchStage = cmp.Or(state.Ingress, "INGRESS_TRAFFIC_ALL"), cmp.Or(state.LaunchStage, "GA")
	if f := s.complete(&state); f != nil {
		f.write(w)
		return
	}
	if f := s.mayUse(caller, state); f != nil {
		f.write(w)
		return
	}
	svc := &service{server: s, name: name, state: state, revisions: map[string]*revision{}}
	if validateOnly(r) {
		reply(w, http.StatusOK, operation{Name: name, Done: true, Metadata: typed(state), Response: typed(state)})
		return
	}
	if err := svc.listen(); err != nil {
		refuse(w, http.StatusInternalServerError, err.Error())
		return
	}
	s.mu.Lock()
	exists := s.services[name] != nil || s.closed
	if !exists {
		s.services[name] = svc
		s.ever = append(s.ever, svc)
	}
	s.mu.Unlock()
	if exists {
		_ = svc.front.Close()
		refuse(w, http.StatusConflict, fmt.Sprintf("Resource '%s' already exists.", name))
		return
	}
	svc.change(func(st *serviceJSON) { st.URI, st.URLs = svc.uri, []string{svc.uri} })
	reply(w, http.StatusOK, s.begin(svc, svc.deploy))
}

func validateOnly(r *http.Request) bool { return r.URL.Query().Get("validateOnly") == "true" }

// mayUse checks the rights to have a service run as its account, and its image.
func (s *Server) mayUse(caller string, state serviceJSON) *apiFault {
	if a := state.Template.ServiceAccount; a != "" && !s.may(caller, "iam.serviceAccounts.actAs", a) {
		return fault(http.StatusForbidden, "Permission 'iam.serviceaccounts.actAs' denied on service account "+a+" (or it may not exist).")
	}
	c := state.Template.Containers[0]
	if c.Source != nil {
		return s.maySource(caller, c.Source.Storage)
	}
	return s.mayImage(caller, c.Image)
}

// settable is what a client may say of a service; the rest is output only, and ignored as Google does.
func settable(in serviceJSON) serviceJSON {
	return serviceJSON{
		Description: in.Description, Labels: in.Labels, Annotations: in.Annotations, Client: in.Client, ClientVersion: in.ClientVersion,
		Ingress: in.Ingress, LaunchStage: in.LaunchStage, Template: in.Template, Scaling: in.Scaling, Traffic: in.Traffic,
		InvokerIAMDisabled: in.InvokerIAMDisabled, CustomAudiences: in.CustomAudiences,
	}
}

// masks are the fields of an updateMask that are understood, with what they change.
var masks = map[string]func(to *serviceJSON, from serviceJSON){
	"description":     func(to *serviceJSON, from serviceJSON) { to.Description = from.Description },
	"labels":          func(to *serviceJSON, from serviceJSON) { to.Labels = from.Labels },
	"annotations":     func(to *serviceJSON, from serviceJSON) { to.Annotations = from.Annotations },
	"template":        func(to *serviceJSON, from serviceJSON) { to.Template = from.Template },
	"scaling":         func(to *serviceJSON, from serviceJSON) { to.Scaling = from.Scaling },
	"traffic":         func(to *serviceJSON, from serviceJSON) { to.Traffic = from.Traffic },
	"ingress":         func(to *serviceJSON, from serviceJSON) { to.Ingress = from.Ingress },
	"customAudiences": func(to *serviceJSON, from serviceJSON) { to.CustomAudiences = from.CustomAudiences },
	"invokerIamDisabled": func(to *serviceJSON, from serviceJSON) {
		to.InvokerIAMDisabled = from.InvokerIAMDisabled
	},
}

func (s *Server) updateService(w http.ResponseWriter, r *http.Request, caller, name string) {
	var in serviceJSON
	if !read(w, r, &in) {
		return
	}
	if in.Name != "" && in.Name != name {
		refuse(w, http.StatusBadRequest, "Service.name does not match the URL.")
		return
	}
	svc := s.find(name)
	if svc == nil && r.URL.Query().Get("allowMissing") == "true" && s.may(caller, "run.services.create", name) {
		s.create(w, r, caller, name, in)
		return
	}
	if svc == nil {
		missing(w, "SERVICE", name)
		return
	}
	old := svc.shown()
	if in.ETag != "" && in.ETag != old.ETag {
		conflict(w, name)
		return
	}
	next := copied(old)
	fields := slices.Sorted(maps.Keys(masks))
	if mask := r.URL.Query().Get("updateMask"); mask != "" {
		fields = strings.Split(mask, ",")
	}
	for _, field := range fields {
		set := masks[field]
		if set == nil {
			refuse(w, http.StatusBadRequest, fmt.Sprintf("Invalid update_mask: field %q.", field))
			return
		}
		set(&next, in)
	}
	now := time.Now().UTC()
	next.UpdateTime, next.LastModifier, next.Generation, next.Reconciling = &now, caller, old.Generation+1, true
	same, f := s.mayBecome(caller, svc, &old, &next)
	if f != nil {
		f.write(w)
		return
	}
	if validateOnly(r) {
		reply(w, http.StatusOK, operation{Name: name, Done: true, Metadata: typed(next), Response: typed(next)})
		return
	}
	changed := false
	svc.change(func(st *serviceJSON) {
		if changed = st.ETag == old.ETag; changed {
			*st = next
		}
	})
	if !changed { // somebody was faster
		conflict(w, name)
		return
	}
	work := svc.deploy
	if same {
		work = svc.route
	}
	reply(w, http.StatusOK, s.begin(svc, work))
}

// mayBecome checks what a service is to become, and says whether its template is the same: then there is no new revision.
func (s *Server) mayBecome(caller string, svc *service, old, next *serviceJSON) (same bool, f *apiFault) {
	if f := s.complete(next); f != nil {
		return false, f
	}
	same = bytes.Equal(encode(old.Template), encode(next.Template))
	if !same && svc.has(next.Template.Revision) {
		return same, fault(http.StatusConflict, fmt.Sprintf("Revision named '%s' with different configuration already exists.", next.Template.Revision))
	}
	return same, s.mayUse(caller, *next)
}

func conflict(w http.ResponseWriter, name string) {
	(&apiFault{http.StatusConflict, "ABORTED", fmt.Sprintf("Conflict for resource '%s': version was specified but current version is another.", name)}).write(w)
}

func (s *Server) deleteService(w http.ResponseWriter, r *http.Request, _, name string) {
	svc := s.find(name)
	if svc == nil {
		missing(w, "SERVICE", name)
		return
	}
	if etag := r.URL.Query().Get("etag"); etag != "" && etag != svc.shown().ETag {
		conflict(w, name)
		return
	}
	if validateOnly(r) {
		reply(w, http.StatusOK, operation{Name: name, Done: true, Response: typed(svc.shown())})
		return
	}
	s.mu.Lock()
	mine := s.services[name] == svc
	if mine {
		delete(s.services, name)
	}
	s.mu.Unlock()
	if !mine {
		missing(w, "SERVICE", name)
		return
	}
	reply(w, http.StatusOK, s.begin(svc, func() error { svc.remove(); return nil }))
}

func (s *Server) getOperation(w http.ResponseWriter, _ *http.Request, _, name string) {
	s.mu.Lock()
	op := s.operations[name]
	var shown operation
	if op != nil {
		shown = *op
	}
	s.mu.Unlock()
	if op == nil {
		missing(w, "OPERATION", name)
		return
	}
	reply(w, http.StatusOK, shown)
}

// waitOperation answers when the operation is done, or the time that was asked for is up.
func (s *Server) waitOperation(w http.ResponseWriter, r *http.Request, caller, name string) {
	if !strings.HasSuffix(r.URL.Path, ":wait") {
		refuse(w, http.StatusNotFound, "Method not found.")
		return
	}
	var in struct {
		Timeout string `json:"timeout"`
	}
	if !read(w, r, &in) {
		return
	}
	timeout, err := time.ParseDuration(cmp.Or(in.Timeout, "30s"))
	if err != nil || timeout <= 0 {
		refuse(w, http.StatusBadRequest, "timeout must be positive.")
		return
	}
	s.mu.Lock()
	op := s.operations[name]
	s.mu.Unlock()
	if op != nil {
		timer := time.NewTimer(timeout)
		defer timer.Stop()
		select {
		case <-op.done:
		case <-timer.C:
		case <-r.Context().Done():
		case <-s.life.Done():
		}
	}
	s.getOperation(w, r, caller, name)
}
