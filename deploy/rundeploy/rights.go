package rundeploy

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"slices"

	"github.com/lambdapool/lambdapool/deploy/internal/steps"
	"github.com/lambdapool/lambdapool/deploy/shared"
)

// A Right is a role that somebody needs on something, and why. It can be printed as JSON.
type Right struct {
	Role string `json:"role"`
	On   string `json:"on"`
	Why  string `json:"why"`

	// Command gives the role.
	Command string `json:"command"`
}

// A RightsInput says for what rights are given. Project, Region and Service are required.
type RightsInput struct {
	Project string
	Region  string
	Service string

	// Member is who gets them, such as "user:ann@example.com" or "serviceAccount:ci@my-project.iam.gserviceaccount.com". ""
	// is a word to be replaced, MEMBER.
	Member string

	// Repository is that of [Project]. "" is the default one.
	Repository string

	// ServiceAccount is who the agent runs as. "" is a word to be replaced, AGENT.
	ServiceAccount string

	// CallAs is the service account that a person calls as. "": Member calls by itself.
	CallAs string

	// Bucket is that of cloudrun.WithBucket. Without one there are no rights for large payloads.
	Bucket string

	// SourceBucket is that of [Settings]. "" or "none": there is an image, and a right to push it.
	SourceBucket string
}

var memberPattern = regexp.MustCompile(`^(user|serviceAccount|group|domain|principal|principalSet):[^\s'"$*]+$`)

func (in *RightsInput) check() error {
	switch {
	case !segment.MatchString(in.Project):
		return steps.Invalid("project %q: must be the id of a project", in.Project)
	case !segment.MatchString(in.Region):
		return steps.Invalid("region %q: must be like europe-west1", in.Region)
	case in.Member != "" && !memberPattern.MatchString(in.Member):
		return steps.Invalid("member %q: must be like user:ann@example.com or serviceAccount:EMAIL", in.Member)
	case in.Repository != "" && !repositoryPattern.MatchString(in.Repository):
		return steps.Invalid("repository %q: must be lower-case letters, digits and hyphens, 63 at most", in.Repository)
	case in.Bucket != "" && !bucketPattern.MatchString(in.Bucket):
		return steps.Invalid("bucket %q: must be the name of a bucket", in.Bucket)
	case in.SourceBucket != "" && !bucketPattern.MatchString(in.SourceBucket):
		return steps.Invalid("source bucket %q: must be the name of a bucket", in.SourceBucket)
	}
	for _, account := range []string{in.ServiceAccount, in.CallAs} {
		if account != "" && !emailPattern.MatchString(account) {
			return steps.Invalid("service account %q: must be its e-mail address", account)
		}
	}
	return checkName(in.Service)
}

// right makes one; the command is gcloud's for its kind of resource.
func (in *RightsInput) right(role, kind, on, why string) Right {
	member := or(in.Member, "MEMBER")
	where := ""
	switch kind {
	case "projects":
	case "storage buckets":
		on = "gs://" + on
	case "iam service-accounts":
		where = " --project=" + in.Project
	case "artifacts repositories":
		where = fmt.Sprintf(" --location=%s --project=%s", in.Region, in.Project)
	default:
		where = fmt.Sprintf(" --region=%s --project=%s", in.Region, in.Project)
	}
	return Right{role, kind + " " + on, why, fmt.Sprintf("gcloud %s add-iam-policy-binding %s%s --member=%s --role=%s", kind, on, where, member, role)}
}

func or(s, fallback string) string {
	if s == "" {
		return fallback
	}
	return s
}

// ClientRights returns the least roles of a program that calls the service with backend/cloudrun. It asks nobody. The
// error matches shared.ErrInvalid and names what is missing or bad.
func ClientRights(in RightsInput) ([]Right, error) {
	if err := in.check(); err != nil {
		return nil, fail("policy of", in.Service, err)
	}
	caller := in
	var all []Right
	if in.CallAs != "" {
		all = append(all, in.right("roles/iam.serviceAccountTokenCreator", "iam service-accounts", in.CallAs, "a person's credentials mint no ID tokens: it calls as this account"))
		caller.Member = "serviceAccount:" + in.CallAs
	}
	all = append(all,
		caller.right(invoker, "run services", in.Service, "to call it"),
		in.right(viewer, "run services", in.Service, "its URL, timeout and number of instances are looked up; with WithURL nothing is"))
	if in.Bucket != "" {
		all = append(all, in.right("roles/storage.objectUser", "storage buckets", in.Bucket, "large payloads travel through it"))
	}
	return all, nil
}

// DeployerRights returns the least roles of whoever deploys the service with this package or with the command lambdapool.
// To make the repository, or to let others call the service, needs more, once: the commands say so. It asks nobody. The
// error matches shared.ErrInvalid.
func DeployerRights(in RightsInput) ([]Right, error) {
	if err := in.check(); err != nil {
		return nil, fail("policy of", in.Service, err)
	}
	code := []Right{in.right("roles/artifactregistry.writer", "artifacts repositories", or(in.Repository, Repository), "to push images; who makes the repository needs roles/artifactregistry.admin once")}
	if bucket := in.SourceBucket; bucket != "" && bucket != anImage {
		code = []Right{
			in.right("roles/storage.objectCreator", "storage buckets", bucket, "to upload the agent; what is there cannot be replaced with it"),
			in.right("roles/storage.objectViewer", "storage buckets", bucket, "to see whether it is there already, and to have it run"),
		}
	}
	return slices.Concat([]Right{
		in.right("roles/run.developer", "projects", in.Project, "to create, update, list and delete services; services of others, too: Google has nothing narrower for what does not exist yet"),
		in.right("roles/iam.serviceAccountUser", "iam service-accounts", or(in.ServiceAccount, "AGENT"), "to have the service run as its account"),
	}, code, []Right{
		in.right("roles/logging.viewer", "projects", in.Project, "for lambdapool logs"),
	}), nil
}

// A policy is who may do what on a service.
type policy struct {
	Version  int       `json:"version,omitempty"`
	ETag     string    `json:"etag,omitempty"`
	Bindings []binding `json:"bindings"`
}

type binding struct {
	Role      string   `json:"role"`
	Members   []string `json:"members"`
	Condition any      `json:"condition,omitempty"`
}

const (
	invoker = "roles/run.invoker"
	viewer  = "roles/run.viewer"
)

// GrantInvoker lets a member call a service that lambdapool made: "serviceAccount:EMAIL", "user:EMAIL", … It needs
// roles/run.admin, which deployers mostly have not: ClientRights has the command for who has it. Granting twice changes
// nothing. It blocks for three requests.
//
// The error matches shared.ErrInvalid for a bad member, shared.ErrForeign, shared.ErrNotFound, and shared.ErrChanged when
// somebody changes the rights at the same time.
func (c *Client) GrantInvoker(ctx context.Context, service, member string) error {
	return fail("grant", service, c.grant(ctx, invoker, service, member))
}

// GrantViewer lets a member look up a service that lambdapool made: its URL, time limit and number of instances, which a
// client asks for when it opens the service by its name. What it needs and its errors are GrantInvoker's.
func (c *Client) GrantViewer(ctx context.Context, service, member string) error {
	return fail("grant", service, c.grant(ctx, viewer, service, member))
}

// grant adds a member to those who have a role on a service.
func (c *Client) grant(ctx context.Context, role, service, member string) error {
	if err := checkName(service); err != nil {
		return err
	}
	if !memberPattern.MatchString(member) {
		return steps.Invalid("member %q: must be like user:ann@example.com or serviceAccount:EMAIL", member)
	}
	if _, err := c.own(ctx, service); err != nil {
		return err
	}
	var p policy
	if err := c.read(ctx, c.admin(c.full(service)+":getIamPolicy", "options.requestedPolicyVersion", "3"), &p); err != nil {
		return err
	}
	at := slices.IndexFunc(p.Bindings, func(b binding) bool { return b.Role == role && b.Condition == nil })
	switch {
	case at < 0:
		p.Bindings = append(p.Bindings, binding{Role: role, Members: []string{member}})
	case slices.Contains(p.Bindings[at].Members, member):
		return nil
	default:
		p.Bindings[at].Members = append(p.Bindings[at].Members, member)
	}
	request, done := steps.Whole(ctx)
	defer done()
	err := c.call(request, http.MethodPost, c.admin(c.full(service)+":setIamPolicy"), struct {
		Policy policy `json:"policy"`
	}{p}, &policy{})
	if isDenied(err) {
		return &shared.Error{Err: err, Hint: "that needs roles/run.admin; who has it: " + (&RightsInput{
			Project: c.at.ID, Region: c.at.Region, Service: service, Member: member,
		}).right(role, "run services", service, "").Command}
	}
	return err
}

// anybody reports whether everybody may call a service.
func (c *Client) anybody(ctx context.Context, s *Service) (bool, error) {
	if open, _ := s.raw["invokerIamDisabled"].(bool); open {
		return true, nil
	}
	var p policy
	if err := c.read(ctx, c.admin(c.full(s.Name)+":getIamPolicy"), &p); err != nil {
		return false, err
	}
	return slices.ContainsFunc(p.Bindings, func(b binding) bool {
		return b.Role == invoker && (slices.Contains(b.Members, "allUsers") || slices.Contains(b.Members, "allAuthenticatedUsers"))
	}), nil
}
