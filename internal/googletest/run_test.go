package googletest

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	run "cloud.google.com/go/run/apiv2"
	"cloud.google.com/go/run/apiv2/runpb"
	"github.com/googleapis/gax-go/v2/apierror"
	"google.golang.org/api/idtoken"
	"google.golang.org/api/iterator"
	"google.golang.org/api/option"
	"google.golang.org/genproto/googleapis/api"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"github.com/lambdapool/lambdapool/internal/httpwire"
)

func (c *cloud) services() *run.ServicesClient {
	c.t.Helper()
	client, err := run.NewServicesRESTClient(c.t.Context(), c.at(c.URL())...)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() {
		if err := client.Close(); err != nil {
			c.t.Error(err)
		}
	})
	return client
}

// agents is a service as a deployer would make it.
func agents() *runpb.Service {
	env := func(name, value string) *runpb.EnvVar {
		return &runpb.EnvVar{Name: name, Values: &runpb.EnvVar_Value{Value: value}}
	}
	return &runpb.Service{
		Description: "of lambdapool",
		Labels:      map[string]string{"lambdapool": "agent"},
		Ingress:     runpb.IngressTraffic_INGRESS_TRAFFIC_ALL,
		LaunchStage: api.LaunchStage_GA,
		Template: &runpb.RevisionTemplate{
			Timeout:                       durationpb.New(90 * time.Second),
			MaxInstanceRequestConcurrency: 1,
			ExecutionEnvironment:          runpb.ExecutionEnvironment_EXECUTION_ENVIRONMENT_GEN2,
			Scaling:                       &runpb.RevisionScaling{MaxInstanceCount: 2},
			Containers: []*runpb.Container{{
				Image:     "agent",
				Env:       []*runpb.EnvVar{env("LAMBDAPOOL_AGENT", "http"), env("LAMBDAPOOL_AUTH", "platform")},
				Resources: &runpb.ResourceRequirements{Limits: map[string]string{"cpu": "1", "memory": "512Mi"}, CpuIdle: true, StartupCpuBoost: true},
			}},
		},
	}
}

// status is HTTP's of an error.
func status(err error) int {
	if e, ok := errors.AsType[*apierror.APIError](err); ok {
		return e.HTTPCode()
	}
	return 0
}

func TestAServiceFromCreationToDeletion(t *testing.T) {
	c := start(t, "roles/run.admin")
	client := c.services()
	ctx := soon(t)
	name := c.parent() + "/services/demo"

	dry, err := client.CreateService(ctx, &runpb.CreateServiceRequest{Parent: c.parent(), ServiceId: "demo", Service: agents(), ValidateOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	if made, err := dry.Wait(ctx); err != nil || made.GetTemplate().GetMaxInstanceRequestConcurrency() != 1 {
		t.Errorf("dry run: %v, %v", made, err)
	}
	if _, err := client.GetService(ctx, &runpb.GetServiceRequest{Name: name}); status(err) != http.StatusNotFound {
		t.Errorf("before it is there: %v", err)
	}

	op, err := client.CreateService(ctx, &runpb.CreateServiceRequest{Parent: c.parent(), ServiceId: "demo", Service: agents()})
	if err != nil {
		t.Fatal(err)
	}
	if meta, err := op.Metadata(); err != nil || meta.GetName() != name {
		t.Errorf("metadata of the operation: %v, %v", meta, err)
	}
	made, err := op.Wait(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if made.GetName() != name || made.GetUri() == "" || made.GetEtag() == "" || made.GetGeneration() != 1 || made.GetCreator() != developer ||
		made.GetTerminalCondition().GetState() != runpb.Condition_CONDITION_SUCCEEDED || made.GetReconciling() || !made.GetCreateTime().IsValid() ||
		made.GetLatestReadyRevision() == "" || made.GetIngress() != runpb.IngressTraffic_INGRESS_TRAFFIC_ALL ||
		made.GetTemplate().GetExecutionEnvironment() != runpb.ExecutionEnvironment_EXECUTION_ENVIRONMENT_GEN2 ||
		made.GetTemplate().GetTimeout().AsDuration() != 90*time.Second || !made.GetTemplate().GetContainers()[0].GetResources().GetStartupCpuBoost() {
		t.Errorf("made: %v", made)
	}
	_, err = client.CreateService(ctx, &runpb.CreateServiceRequest{Parent: c.parent(), ServiceId: "demo", Service: agents()})
	if status(err) != http.StatusConflict {
		t.Errorf("a second one: %v", err)
	}

	change := &runpb.Service{Name: name, Etag: made.GetEtag(), Description: "changed"}
	updating, err := client.UpdateService(ctx, &runpb.UpdateServiceRequest{Service: change, UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"description"}}})
	if err != nil {
		t.Fatal(err)
	}
	changed, err := updating.Wait(ctx)
	if err != nil || changed.GetDescription() != "changed" || changed.GetGeneration() != 2 || changed.GetTemplate().GetContainers()[0].GetImage() != "agent" {
		t.Errorf("changed: %v, %v", changed, err)
	}
	if _, err = client.UpdateService(ctx, &runpb.UpdateServiceRequest{Service: change, UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"description"}}}); status(err) != http.StatusConflict {
		t.Errorf("a change of what has changed: %v", err)
	}
	whole, err := client.GetService(ctx, &runpb.GetServiceRequest{Name: name})
	if err != nil {
		t.Fatal(err)
	}
	whole.Template.Scaling.MaxInstanceCount = 3
	if updating, err = client.UpdateService(ctx, &runpb.UpdateServiceRequest{Service: whole}); err != nil { // what was read, and sent back
		t.Fatal(err)
	}
	if changed, err = updating.Wait(ctx); err != nil || changed.GetTemplate().GetScaling().GetMaxInstanceCount() != 3 {
		t.Errorf("changed: %v, %v", changed, err)
	}

	bad := agents()
	bad.Template.Scaling.MaxInstanceCount = 1000
	_, err = client.CreateService(ctx, &runpb.CreateServiceRequest{Parent: c.parent(), ServiceId: "large", Service: bad})
	if status(err) != http.StatusBadRequest || !strings.Contains(err.Error(), "Max instances must be set to") {
		t.Errorf("beyond the quota: %v", err)
	}

	deleting, err := client.DeleteService(ctx, &runpb.DeleteServiceRequest{Name: name})
	if err != nil {
		t.Fatal(err)
	}
	if gone, err := deleting.Wait(ctx); err != nil || gone.GetName() != name {
		t.Errorf("deleted: %v, %v", gone, err)
	}
	if _, err := client.GetService(ctx, &runpb.GetServiceRequest{Name: name}); status(err) != http.StatusNotFound {
		t.Errorf("after that: %v", err)
	}
}

func TestServicesAreListedInPages(t *testing.T) {
	c := start(t, "roles/run.admin")
	client := c.services()
	ctx := soon(t)
	for _, id := range []string{"a", "b", "c"} {
		op, err := client.CreateService(ctx, &runpb.CreateServiceRequest{Parent: c.parent(), ServiceId: id, Service: agents()})
		if err == nil {
			_, err = op.Wait(ctx)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	var names []string
	all := client.ListServices(ctx, &runpb.ListServicesRequest{Parent: c.parent(), PageSize: 2})
	for {
		svc, err := all.Next()
		if errors.Is(err, iterator.Done) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, svc.GetName()[strings.LastIndexByte(svc.GetName(), '/')+1:])
	}
	if strings.Join(names, " ") != "a b c" {
		t.Errorf("listed %q", names)
	}
}

func TestWhoMayNotIsRefused(t *testing.T) {
	c := start(t)
	_, err := c.services().GetService(soon(t), &runpb.GetServiceRequest{Name: c.parent() + "/services/demo"})
	if status(err) != http.StatusForbidden {
		t.Error(err)
	}
}

// Google's client mints an ID token of the key, its transport sends it, and the front end lets it in: for its audience
// alone.
func TestAnIDTokenOpensAService(t *testing.T) {
	c := start(t, "roles/run.admin", "roles/run.invoker")
	ctx := soon(t)
	op, err := c.services().CreateService(ctx, &runpb.CreateServiceRequest{Parent: c.parent(), ServiceId: "demo", Service: agents()})
	if err != nil {
		t.Fatal(err)
	}
	made, err := op.Wait(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for audience, want := range map[string]int{made.GetUri(): http.StatusOK, "https://elsewhere.example": http.StatusUnauthorized} {
		client, err := idtoken.NewClient(ctx, audience, option.WithAuthCredentialsFile(option.ServiceAccount, c.file))
		if err != nil {
			t.Fatal(err)
		}
		resp := get(t, ctx, client, made.GetUri()+httpwire.HealthPath)
		if resp.StatusCode != want || (resp.Header.Get("Lambdapool-Agent") == "1") != (want == http.StatusOK) {
			t.Errorf("for %s: HTTP %d %v", audience, resp.StatusCode, resp.Header)
		}
	}
	resp := get(t, ctx, http.DefaultClient, made.GetUri()+httpwire.HealthPath)
	if resp.StatusCode != http.StatusForbidden {
		t.Errorf("without a token: HTTP %d", resp.StatusCode)
	}
}

func get(t *testing.T, ctx context.Context, client *http.Client, url string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	return resp
}

// What the issuer mints, Google's validator takes, with the issuer's keys; and what is not right it refuses.
func TestGooglesValidatorTakesTheTokens(t *testing.T) {
	c := start(t)
	ctx := soon(t)
	certificates := &http.Client{Transport: redirect{c.URL()}}
	validator, err := idtoken.NewValidator(ctx, option.WithHTTPClient(certificates))
	if err != nil {
		t.Fatal(err)
	}
	token := c.IDToken(developer, "https://mine.example")
	payload, err := validator.Validate(ctx, token, "https://mine.example")
	if err != nil {
		t.Fatal(err)
	}
	if payload.Issuer != c.URL() || payload.Claims["email"] != developer || payload.Claims["email_verified"] != true || payload.Subject == "" || payload.Expires-payload.IssuedAt != 3600 {
		t.Errorf("%+v", payload)
	}
	if _, err := validator.Validate(ctx, token, "https://other.example"); err == nil {
		t.Error("another audience was accepted")
	}
	if _, err := validator.Validate(ctx, c.IDTokenFor(developer, "https://mine.example", -time.Minute), "https://mine.example"); err == nil {
		t.Error("an expired token was accepted")
	}
	if _, err := validator.Validate(ctx, token[:len(token)-8]+"AAAAAAAA", "https://mine.example"); err == nil {
		t.Error("another signature was accepted")
	}
}

// A redirect sends what is for Google to the stand-in: the validator takes its keys from one address only.
type redirect struct{ to string }

func (r redirect) RoundTrip(req *http.Request) (*http.Response, error) {
	out := req.Clone(req.Context())
	out.URL.Scheme, out.URL.Host = "http", strings.TrimPrefix(r.to, "http://")
	return http.DefaultTransport.RoundTrip(out)
}

// A tag leads to its revision by a URL of its own, whatever serves.
func TestATagIsSetByGooglesClient(t *testing.T) {
	c := start(t, "roles/run.admin")
	client := c.services()
	ctx := soon(t)
	op, err := client.CreateService(ctx, &runpb.CreateServiceRequest{Parent: c.parent(), ServiceId: "demo", Service: agents()})
	if err != nil {
		t.Fatal(err)
	}
	made, err := op.Wait(ctx)
	if err != nil {
		t.Fatal(err)
	}
	revision := made.GetLatestReadyRevision()
	revision = revision[strings.LastIndexByte(revision, '/')+1:]
	made.Traffic = append(made.Traffic, &runpb.TrafficTarget{Type: runpb.TrafficTargetAllocationType_TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION, Revision: revision, Tag: "b-1"})
	updating, err := client.UpdateService(ctx, &runpb.UpdateServiceRequest{Service: made, UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"traffic"}}})
	if err != nil {
		t.Fatal(err)
	}
	changed, err := updating.Wait(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range changed.GetTrafficStatuses() {
		if s.GetTag() == "b-1" && s.GetRevision() == revision && s.GetUri() != "" && s.GetUri() != changed.GetUri() {
			return
		}
	}
	t.Errorf("no status of the tag: %v", changed.GetTrafficStatuses())
}
