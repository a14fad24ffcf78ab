package runlocal

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"
)

// This file is what decides which revision gets a request: the newest, or behind the URL of a tag the one that it names.
// Traffic is not split here: all of it goes to the newest, and tags are beside it.
// https://cloud.google.com/run/docs/rollouts-rollbacks-traffic-migration

type trafficJSON struct {
	Type     allocation `json:"type,omitempty"`
	Revision string     `json:"revision,omitempty"`
	Percent  int        `json:"percent,omitempty"`
	Tag      string     `json:"tag,omitempty"`
	URI      string     `json:"uri,omitempty"` // in trafficStatuses alone
}

const (
	toLatest   = "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST"
	toRevision = "TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION"
)

// A tag is a URL of its own for a revision.
type tag struct {
	svc  *service
	name string
	uri  string
	http *http.Server
	rev  *revision // guarded by the service
}

func (t *tag) ServeHTTP(w http.ResponseWriter, r *http.Request) { t.svc.serve(w, r, t.name) }

var tagPattern = regexp.MustCompile(`^[a-z]([-a-z0-9]{0,44}[a-z0-9])?$`)

// completeTraffic fills in the default, and checks what its user has said.
func completeTraffic(state *serviceJSON) *apiFault {
	id := state.Name[strings.LastIndexByte(state.Name, '/')+1:]
	if r := state.Template.Revision; r != "" && (!strings.HasPrefix(r, id+"-") || len(r) > 63) {
		return violation("Service.template.revision: %q must begin with the name of the service and a hyphen, and have 63 characters at most", r)
	}
	if len(state.Traffic) == 0 {
		state.Traffic = []trafficJSON{{Type: toLatest, Percent: 100}}
	}
	sum, tags := 0, map[string]bool{}
	for _, t := range state.Traffic {
		sum += t.Percent
		switch {
		case t.URI != "" || t.Type != toLatest && t.Type != toRevision || (t.Type == toRevision) != (t.Revision != ""):
			return violation("Service.traffic: bad target %+v", t)
		case t.Tag != "" && (!tagPattern.MatchString(t.Tag) || tags[t.Tag] || len(t.Tag)+len(id) > 46):
			return violation("Service.traffic.tag: invalid or repeated tag %q", t.Tag)
		case t.Type == toRevision && t.Percent != 0:
			return violation("Service.traffic.percent: the embedded Cloud Run splits no traffic")
		}
		tags[t.Tag] = t.Tag != ""
	}
	if sum != 100 {
		return violation("Service.traffic: percentages must add up to 100, and are %d", sum)
	}
	return nil
}

// assign has newest serve, and the tags lead where the traffic says. Revisions that nobody reaches any more end.
func (svc *service) assign(newest *revision) error {
	svc.mu.Lock()
	defer svc.mu.Unlock()
	svc.revisions[newest.spec.revision] = newest
	svc.current = newest
	reached := map[*revision]bool{newest: true}
	tags := map[string]*tag{}
	for _, t := range svc.state.Traffic {
		rev := newest
		if t.Type == toRevision {
			if rev = svc.revisions[t.Revision]; rev == nil {
				return fmt.Errorf("Revision '%s' not found.", t.Revision) //nolint:staticcheck,revive // Google's words
			}
		}
		reached[rev] = true
		if t.Tag == "" {
			continue
		}
		at := svc.tags[t.Tag]
		if at == nil {
			at = &tag{svc: svc, name: t.Tag}
			if err := at.listen(); err != nil {
				return err
			}
		}
		at.rev, tags[t.Tag] = rev, at
	}
	for name, old := range svc.tags {
		if tags[name] == nil {
			_ = old.http.Close()
		}
	}
	svc.tags = tags
	for name, rev := range svc.revisions {
		if !reached[rev] {
			delete(svc.revisions, name)
			rev.retire()
		}
	}
	return nil
}

func (t *tag) listen() error {
	listener, err := listen()
	if err != nil {
		return err
	}
	t.uri = "http://" + listener.Addr().String()
	t.http = &http.Server{Handler: t, ReadHeaderTimeout: time.Minute, IdleTimeout: 10 * time.Minute}
	t.svc.server.work.Go(func() { _ = t.http.Serve(listener) })
	return nil
}

// statuses is what the API says of the traffic. svc.mu is not held.
func (svc *service) statuses() (all []trafficJSON) {
	svc.mu.Lock()
	defer svc.mu.Unlock()
	for _, t := range svc.state.Traffic {
		if at := svc.tags[t.Tag]; at != nil {
			t.URI = at.uri
		}
		all = append(all, t)
	}
	return all
}

// has reports whether there is a revision of that name.
func (svc *service) has(name string) bool {
	svc.mu.Lock()
	defer svc.mu.Unlock()
	return svc.revisions[name] != nil
}
