package iam

import (
	"maps"
	"slices"
	"time"
)

// A State is all that IAM knows, as it is kept, as JSON.
type State struct {
	Roles []keptRole       `json:"roles"`
	Users map[string]*user `json:"users"`
}

type keptRole struct {
	Name        string            `json:"name"`
	Path        string            `json:"path"`
	ID          string            `json:"id"`
	Description string            `json:"description"`
	Trust       string            `json:"trust"`
	Created     time.Time         `json:"created"`
	Session     int               `json:"session"`
	Policies    map[string]string `json:"policies"`
	Attached    []string          `json:"attached"`
	Tags        map[string]string `json:"tags"`
}

// State returns what there is now.
func (i *Service) State() State {
	i.mu.Lock()
	defer i.mu.Unlock()
	state := State{Users: map[string]*user{}}
	for name, u := range i.users {
		copied := *u
		copied.Policies = maps.Clone(u.Policies)
		state.Users[name] = &copied
	}
	for _, name := range slices.Sorted(maps.Keys(i.roles)) {
		r := i.roles[name]
		state.Roles = append(state.Roles, keptRole{
			r.name, r.path, r.id, r.description, r.trust, r.created, r.session, maps.Clone(r.policies), slices.Clone(r.attached), maps.Clone(r.tags),
		})
	}
	return state
}

// Restore adds what another process has left.
func (i *Service) Restore(state State) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, r := range state.Roles {
		i.roles[r.Name] = &role{
			name: r.Name, path: r.Path, id: r.ID, description: r.Description, trust: r.Trust, created: r.Created, session: r.Session,
			policies: orEmpty(r.Policies), attached: r.Attached, tags: orEmpty(r.Tags),
		}
	}
	maps.Copy(i.users, state.Users)
}

func orEmpty(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return m
}
