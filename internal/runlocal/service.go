package runlocal

import (
	"cmp"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// A service is a name, a front end, and the revision that serves.
type service struct {
	server *Server
	name   string // projects/…/services/NAME
	uri    string
	front  *http.Server

	mu      sync.Mutex
	state   serviceJSON
	current *revision // nil: none is ready yet

	revisions map[string]*revision // that requests reach, by name
	tags      map[string]*tag
}

// admission says whether anybody may call, and for whom ID tokens must be if not.
func (svc *service) admission() (open bool, audiences []string) {
	svc.mu.Lock()
	defer svc.mu.Unlock()
	return svc.state.InvokerIAMDisabled, append([]string{svc.uri}, svc.state.CustomAudiences...)
}

// serving is the revision that gets the requests, also those to the URL of a tag, and how long they may take.
func (svc *service) serving(tagged string) (*revision, time.Duration) {
	svc.mu.Lock()
	defer svc.mu.Unlock()
	rev := svc.current
	if tagged != "" {
		rev = nil
		if t := svc.tags[tagged]; t != nil && svc.current != nil {
			rev = t.rev
		}
	}
	if rev == nil {
		return nil, 0
	}
	return rev, rev.spec.timeout
}

// shown is the service as the API shows it.
func (svc *service) shown() serviceJSON {
	svc.mu.Lock()
	defer svc.mu.Unlock()
	return svc.state
}

// change lets edit change what is shown, under a new etag.
func (svc *service) change(edit func(*serviceJSON)) {
	svc.mu.Lock()
	defer svc.mu.Unlock()
	edit(&svc.state)
	svc.state.ETag = `"` + rand.Text() + `"`
}

// deploy makes a revision of the template, and has it serve when one instance of it listens.
func (svc *service) deploy() error {
	state := svc.shown()
	sp, err := svc.server.spec(state)
	if err != nil {
		return svc.conclude(sp, err)
	}
	rev := svc.server.newRevision(sp)
	i, err := rev.acquire(svc.server.life)
	if err != nil {
		rev.retire()
		return svc.conclude(sp, fmt.Errorf("Revision '%s' is not ready and cannot serve traffic. The user-provided container failed to start and listen on the port defined provided by the PORT environment variable within the allocated timeout.", sp.revision)) //nolint:staticcheck,revive // Google's words
	}
	rev.release(i)
	return svc.conclude(sp, svc.assign(rev))
}

// route changes where requests go, without a new revision.
func (svc *service) route() error {
	rev, _ := svc.serving("")
	if rev == nil {
		return svc.deploy()
	}
	return svc.conclude(rev.spec, svc.assign(rev))
}

// conclude notes how a deployment has ended.
func (svc *service) conclude(sp *spec, err error) error {
	statuses := svc.statuses()
	svc.change(func(s *serviceJSON) {
		s.TrafficStatuses = statuses
		s.Reconciling, s.ObservedGeneration = false, s.Generation
		s.TerminalCondition = &conditionJSON{Type: "Ready", State: "CONDITION_SUCCEEDED"}
		s.LatestCreated = svc.name + "/revisions/" + sp.revision
		if err != nil {
			s.TerminalCondition = &conditionJSON{Type: "Ready", State: "CONDITION_FAILED", Message: err.Error(), Reason: "HEALTH_CHECK_CONTAINER_ERROR"}
			return
		}
		s.LatestReady = s.LatestCreated
	})
	return err
}

// spec is what a container needs to know.
func (s *Server) spec(state serviceJSON) (*spec, error) {
	id := state.Name[strings.LastIndexByte(state.Name, '/')+1:]
	t := state.Template
	c := t.Containers[0]
	program, known := s.options.Images[c.Image]
	sp := &spec{
		service: id, revision: fmt.Sprintf("%s-%05d-%s", id, state.Generation, strings.ToLower(rand.Text()[:3])),
		path: program, args: append(slices.Clone(c.Command), c.Args...), env: map[string]string{},
		concurrency: t.Concurrency, most: t.Scaling.MaxInstanceCount,
		memory: int64(amount(c.Resources.Limits["memory"])),
	}
	sp.revision = cmp.Or(t.Revision, sp.revision)
	sp.timeout, _ = time.ParseDuration(t.Timeout)
	if state.Scaling != nil && state.Scaling.MaxInstanceCount > 0 {
		sp.most = min(sp.most, state.Scaling.MaxInstanceCount)
	}
	for _, e := range c.Env {
		sp.env[e.Name] = e.Value
	}
	if known {
		return sp, nil
	}
	if c.Source != nil {
		var err error
		if sp.image, err = s.source(c.Source.Storage); err == nil {
			sp.path, sp.args, err = sp.image.start(c.Command, c.Args)
		}
		if err != nil {
			err = fmt.Errorf("Source code 'gs://%s/%s' %w", c.Source.Storage.Bucket, c.Source.Storage.Object, err) //nolint:staticcheck // in the form of Google's words of an image
		}
		return sp, err
	}
	n, ok := s.parseImage(c.Image)
	if !ok {
		return sp, fmt.Errorf("Image '%s' not found.", c.Image) //nolint:staticcheck,revive // Google's words
	}
	var err error
	sp.image, err = s.registry.pull(n)
	if err == nil {
		sp.path, sp.args, err = sp.image.start(c.Command, c.Args)
	}
	if err != nil {
		err = fmt.Errorf("Image '%s' %w", c.Image, err) //nolint:staticcheck // Google's words, of one that is not found
	}
	return sp, err
}

// Crash kills an instance of the service of that full name, if one is there, as a bug in it would.
func (s *Server) Crash(name string) {
	if svc := s.find(name); svc != nil {
		if rev, _ := svc.serving(""); rev != nil {
			rev.crash()
		}
	}
}

// close ends it at once.
func (svc *service) close() error {
	errs := []error{svc.front.Close()}
	svc.mu.Lock()
	for _, t := range svc.tags {
		errs = append(errs, t.http.Close())
	}
	all := slices.Collect(maps.Values(svc.revisions))
	svc.mu.Unlock()
	for _, rev := range all {
		rev.kill()
	}
	return errors.Join(errs...)
}

// remove ends it in good order: the front ends answer 404 from now on.
func (svc *service) remove() {
	svc.mu.Lock()
	all := slices.Collect(maps.Values(svc.revisions))
	svc.current = nil
	svc.mu.Unlock()
	for _, rev := range all {
		rev.retire()
	}
	for _, rev := range all {
		<-rev.gone
	}
}

// begin makes an operation, and has work done for it in the background.
func (s *Server) begin(svc *service, work func() error) *operation {
	op := &operation{
		Name:     fmt.Sprintf("projects/%s/locations/%s/operations/%s", s.options.Project, s.options.Region, strings.ToLower(rand.Text())),
		Metadata: typed(svc.shown()), done: make(chan struct{}),
	}
	s.mu.Lock()
	s.operations[op.Name] = op
	shown := *op
	s.mu.Unlock()
	s.work.Go(func() {
		err := work()
		s.mu.Lock()
		defer s.mu.Unlock()
		op.Done, op.Metadata = true, typed(svc.shown())
		if err != nil {
			op.Error = map[string]any{"code": 9, "message": err.Error()} // FAILED_PRECONDITION
		} else {
			op.Response = typed(svc.shown())
		}
		close(op.done)
	})
	return &shown
}

// copied has no memory in common with s.
func copied(s serviceJSON) (c serviceJSON) {
	_ = json.Unmarshal(encode(s), &c)
	return c
}

// typed is a service in google.protobuf.Any.
func typed(s serviceJSON) map[string]any {
	m := map[string]any{}
	_ = json.Unmarshal(encode(s), &m)
	m["@type"] = "type.googleapis.com/google.cloud.run.v2.Service"
	return m
}
