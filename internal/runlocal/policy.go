package runlocal

import (
	"maps"
	"net/http"
	"slices"
)

type policyJSON struct {
	Version  int           `json:"version,omitempty"`
	ETag     string        `json:"etag,omitempty"`
	Bindings []bindingJSON `json:"bindings,omitempty"`
}

type bindingJSON struct {
	Role    string   `json:"role"`
	Members []string `json:"members"`
}

func (s *Server) getPolicy(w http.ResponseWriter, _ *http.Request, _, name string) {
	if s.find(name) == nil {
		missing(w, "SERVICE", name)
		return
	}
	reply(w, http.StatusOK, s.shownPolicy(name))
}

func (s *Server) shownPolicy(name string) (p policyJSON) {
	p.Version = 1
	roles := s.policy(name)
	for _, role := range slices.Sorted(maps.Keys(roles)) {
		p.Bindings = append(p.Bindings, bindingJSON{role, roles[role]})
	}
	return p
}

func (s *Server) setPolicyOf(w http.ResponseWriter, r *http.Request, _, name string) {
	var in struct {
		Policy policyJSON `json:"policy"`
	}
	if !read(w, r, &in) {
		return
	}
	if s.find(name) == nil {
		missing(w, "SERVICE", name)
		return
	}
	roles := map[string][]string{}
	for _, b := range in.Policy.Bindings {
		if permissions[b.Role] == nil {
			refuse(w, http.StatusBadRequest, "Role "+b.Role+" is not supported for this resource.")
			return
		}
		roles[b.Role] = append(roles[b.Role], b.Members...)
	}
	s.setPolicy(name, roles)
	reply(w, http.StatusOK, s.shownPolicy(name))
}
