package runlocal

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"
)

// This file is the part of Artifact Registry's API that makes repositories for images.
// https://cloud.google.com/artifact-registry/docs/reference/rest/v1/projects.locations.repositories

type repositoryJSON struct {
	Name        string            `json:"name,omitempty"`
	Format      format            `json:"format,omitempty"`
	Description string            `json:"description,omitempty"`
	Labels      map[string]string `json:"labels,omitempty"`
	CreateTime  *time.Time        `json:"createTime,omitempty"`
	UpdateTime  *time.Time        `json:"updateTime,omitempty"`
	Mode        mode              `json:"mode,omitempty"`
}

// What a caller needs in a repository.
const (
	mayPull   = "artifactregistry.repositories.downloadArtifacts"
	mayPush   = "artifactregistry.repositories.uploadArtifacts"
	mayDelete = "artifactregistry.repositories.deleteArtifacts"
)

var repositoryID = regexp.MustCompile(`^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$`)

func (s *Server) repositoryRoutes(mux *http.ServeMux) {
	const repositories = "/v1/projects/{project}/locations/{region}/repositories"
	mux.HandleFunc("POST "+repositories, s.allowed("artifactregistry.repositories.create", s.createRepository))
	mux.HandleFunc("GET "+repositories+"/{id}", s.allowed("artifactregistry.repositories.get", s.getRepository))
	mux.HandleFunc("DELETE "+repositories+"/{id}", s.allowed("artifactregistry.repositories.delete", s.deleteRepository))
}

// repository is the full name of one.
func (s *Server) repository(project, id string) string {
	return "projects/" + project + "/locations/" + s.options.Region + "/repositories/" + id
}

// Repository makes a repository for images in the registry.
func (s *Server) Repository(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now().UTC()
	name := s.repository(s.options.Project, id)
	s.repositories[name] = repositoryJSON{Name: name, Format: "DOCKER", Mode: "STANDARD_REPOSITORY", CreateTime: &now, UpdateTime: &now}
}

func (s *Server) hasRepository(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, is := s.repositories[name]
	return is
}

func (s *Server) createRepository(w http.ResponseWriter, r *http.Request, _, _ string) {
	var in repositoryJSON
	if !read(w, r, &in) {
		return
	}
	id := r.URL.Query().Get("repositoryId")
	switch {
	case !repositoryID.MatchString(id):
		refuse(w, http.StatusBadRequest, "Request contains an invalid argument: repository_id.")
		return
	case in.Format != "DOCKER" || in.Mode != "" && in.Mode != "STANDARD_REPOSITORY":
		refuse(w, http.StatusBadRequest, "The embedded Artifact Registry has standard repositories of the format DOCKER only.")
		return
	}
	now := time.Now().UTC()
	in.Name, in.Mode, in.CreateTime, in.UpdateTime = s.repository(s.options.Project, id), "STANDARD_REPOSITORY", &now, &now
	s.mu.Lock()
	_, exists := s.repositories[in.Name]
	if !exists {
		s.repositories[in.Name] = in
	}
	s.mu.Unlock()
	if exists {
		refuse(w, http.StatusConflict, "the repository already exists")
		return
	}
	reply(w, http.StatusOK, s.repositoryDone(in, "type.googleapis.com/google.devtools.artifactregistry.v1.Repository"))
}

// repositoryDone is an operation that is over: nothing here takes time.
func (s *Server) repositoryDone(in repositoryJSON, kind string) *operation {
	response := map[string]any{}
	_ = json.Unmarshal(encode(in), &response)
	response["@type"] = kind
	return &operation{
		Name: fmt.Sprintf("projects/%s/locations/%s/operations/%s", s.options.Project, s.options.Region, strings.ToLower(rand.Text())),
		Done: true, Response: response,
	}
}

func (s *Server) getRepository(w http.ResponseWriter, _ *http.Request, _, name string) {
	s.mu.Lock()
	found, is := s.repositories[name]
	s.mu.Unlock()
	if !is {
		refuse(w, http.StatusNotFound, "Requested entity was not found.")
		return
	}
	reply(w, http.StatusOK, found)
}

func (s *Server) deleteRepository(w http.ResponseWriter, _ *http.Request, _, name string) {
	s.mu.Lock()
	_, is := s.repositories[name]
	delete(s.repositories, name)
	s.mu.Unlock()
	if !is {
		refuse(w, http.StatusNotFound, "Requested entity was not found.")
		return
	}
	reply(w, http.StatusOK, s.repositoryDone(repositoryJSON{}, "type.googleapis.com/google.protobuf.Empty"))
}
