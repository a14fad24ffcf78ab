package rundeploy

import (
	"context"
	"fmt"
	"strings"

	"github.com/lambdapool/lambdapool/backend/cloudrun"
	"github.com/lambdapool/lambdapool/deploy/internal/ask"
	"github.com/lambdapool/lambdapool/deploy/internal/build"
	"github.com/lambdapool/lambdapool/deploy/internal/steps"
	"github.com/lambdapool/lambdapool/deploy/shared"
	"github.com/lambdapool/lambdapool/internal/agentmain"
	"github.com/lambdapool/lambdapool/internal/english"
	"github.com/lambdapool/lambdapool/internal/googleapi"
)

// DoctorOptions say what to compare a service with. With the zero value the service is looked at alone, for a run of 100
// workers.
type DoctorOptions struct {
	// Workers is how many requests the planned run has in flight. 0 is 100. Negative is an error.
	Workers int

	// Package is the main package of the agent. It is built, and the digest of its image is compared with the deployed
	// one. "": the code is not compared.
	Package string

	// Dir is where Package is looked up, "" is the current directory.
	Dir string

	// Local returns what the local code registers. It is called once, after the agent has answered. Nil: shapes are not
	// compared.
	Local func(ctx context.Context) ([]shared.RegisteredFn, error)
}

// Doctor looks at everything between this machine and a service that could keep calls from succeeding: credentials, and
// whether they mint ID tokens, the APIs, the repository for images, the service's state, its version, billing, account,
// callers, code and shapes, and how many requests it takes. It says what to do about each. It changes nothing, but it
// calls the agent once and builds the package, if one is named.
//
// name "" looks at the project alone. It goes on after a problem as far as that makes sense. What is wrong is in the
// findings. The error is only for a ctx that ended, with what was found until then, or for a bad value, which matches
// shared.ErrInvalid.
func (c *Client) Doctor(ctx context.Context, name string, o DoctorOptions) ([]shared.Finding, error) {
	if name != "" {
		if err := checkName(name); err != nil {
			return nil, fail("doctor", name, err)
		}
	}
	if o.Workers < 0 {
		return nil, fail("doctor", name, steps.Invalid("%d workers: must not be negative", o.Workers))
	}
	if o.Workers == 0 {
		o.Workers = defaultInstances
	}
	d := &doctor{c: c, o: o, name: name}
	d.add("project", shared.OK, c.at.ID+", region "+c.at.Region, "")
	if d.credentials(ctx) && d.api(ctx) {
		d.repository(ctx)
		if name != "" {
			d.service(ctx)
		}
	}
	return d.findings, fail("doctor", name, context.Cause(ctx))
}

// A doctor is one look at a service, and what it has found so far.
type doctor struct {
	c        *Client
	o        DoctorOptions
	name     string
	findings []shared.Finding
}

func (d *doctor) add(check string, level shared.Level, text, remedy string) {
	d.findings = append(d.findings, shared.Finding{Check: check, Level: level, Text: text, Remedy: remedy})
}

// text is what an error says, without the beginning that all have.
func text(err error) string { return strings.TrimPrefix(err.Error(), "lambdapool: ") }

// credentials finds out whether there is an access token, and whether ID tokens can be minted.
func (d *doctor) credentials(ctx context.Context) bool {
	if _, err := d.c.id.Found.TokenSource.Token(); err != nil {
		d.add("credentials", shared.Problem, text(googleapi.NotMinted(err)), "gcloud auth application-default login, or name another file with GOOGLE_APPLICATION_CREDENTIALS")
		return false
	}
	d.add("credentials", shared.OK, "Google's token endpoint takes them", "")
	if d.c.id.Person() && d.c.id.Quota == "" {
		d.add("quota project", shared.Warning, "a person's credentials name no project that requests are counted for: some APIs refuse them", "gcloud auth application-default set-quota-project "+d.c.at.ID)
	}
	// With a URL nothing is looked up: only whether the credentials can mint is said.
	opts := []cloudrun.Option{cloudrun.WithURL("https://service.invalid"), cloudrun.WithProject(d.c.at.ID)}
	if as := d.c.at.CallAs; as != "" {
		opts = append(opts, cloudrun.WithServiceAccount(as))
	}
	b, err := cloudrun.New(ctx, "service", opts...)
	if err != nil {
		d.add("ID tokens", shared.Problem, text(err), "lambdapool with --call-as EMAIL, or "+CallAsVariable+", calls as a service account that these credentials may impersonate; "+
			"gcloud auth application-default login --impersonate-service-account=EMAIL signs in as one")
		return true
	}
	_ = b.Close()
	d.add("ID tokens", shared.OK, "the credentials are of a kind that can mint them", "")
	return true
}

func (d *doctor) api(ctx context.Context) bool {
	err := d.c.read(ctx, d.c.admin(d.c.parent()+"/services", "pageSize", "1"), &struct{}{})
	switch {
	case googleapi.IsDisabled(err):
		d.add("API", shared.Problem, text(err), "gcloud services enable run.googleapis.com artifactregistry.googleapis.com logging.googleapis.com iamcredentials.googleapis.com --project "+d.c.at.ID)
	case isDenied(err):
		d.add("API", shared.Problem, text(err), "lambdapool policy deployer NAME prints the roles that are needed; is it the right --project?")
	case isMissing(err):
		d.add("API", shared.Problem, text(err), "choose another --region: gcloud run regions list names them")
	case err != nil:
		d.add("API", shared.Problem, text(err), "")
	default:
		d.add("API", shared.OK, "the Admin API of Cloud Run answers", "")
	}
	return err == nil
}

func (d *doctor) repository(ctx context.Context) {
	err := d.c.read(ctx, d.c.id.At.Artifacts+"/v1/"+d.c.repository(), &struct{}{})
	switch {
	case isMissing(err):
		d.add("repository", shared.Note, "there is no repository "+d.c.at.Repository+" for images", "lambdapool create makes it, or: "+d.c.makeRepositoryCommand())
	case err != nil:
		d.add("repository", shared.Note, "not looked at: "+text(err), "roles/artifactregistry.reader on it shows it")
	default:
		d.add("repository", shared.OK, d.c.at.Repository+" is there", "")
	}
}

func (d *doctor) service(ctx context.Context) {
	s, err := d.c.get(ctx, d.name)
	switch {
	case isMissing(err):
		d.add("service", shared.Problem, d.name+" does not exist in "+d.c.at.Region, "lambdapool create "+d.name+" PACKAGE, or choose another --region or --project")
		return
	case err != nil:
		d.add("service", shared.Problem, text(err), "lambdapool policy deployer "+d.name+" prints the roles that are needed")
		return
	case s.Labels[Label] == "":
		d.add("service", shared.Problem, d.name+" was not made by lambdapool", "choose another name, and lambdapool create it")
		return
	case s.State != "Ready":
		d.add("service", shared.Problem, "state "+s.State+": "+or(s.Reason, "no reason given"), "lambdapool logs "+d.name+", and lambdapool update "+d.name+" PACKAGE")
	default:
		d.add("service", shared.OK, fmt.Sprintf("ready, revision %s, last changed %s", s.Revision, s.LastModified.UTC().Format("2006-01-02 15:04:05")), "")
	}
	if v := build.Version(); s.Lambdapool != v {
		d.add("version", shared.Warning, fmt.Sprintf("deployed by lambdapool %s, this is %s", s.Lambdapool, v), "lambdapool update "+d.name+" PACKAGE")
	} else {
		d.add("version", shared.OK, "lambdapool "+v+" on both sides", "")
	}
	d.settings(s)
	d.callers(ctx, s)
	d.code(ctx, s)
	d.shapes(ctx)
}

// settings are those that cost money, rights or time.
func (d *doctor) settings(s *Service) {
	if idle, _ := at(ingress(at(s.raw, "template")), "resources")["cpuIdle"].(bool); !idle {
		d.add("billing", shared.Warning, "instances are billed as long as they live, also between requests", fmt.Sprintf("gcloud run services update %s --region=%s --project=%s --cpu-throttling", d.name, d.c.at.Region, d.c.at.ID))
	} else {
		d.add("billing", shared.OK, "by request, each rounded up to 100 ms", "")
	}
	if strings.HasSuffix(s.ServiceAccount, "-compute@developer.gserviceaccount.com") || s.ServiceAccount == "" {
		d.add("account", shared.Warning, "the agent runs as the project's default account, which may be an editor of the whole project", "lambdapool update "+d.name+" --service-account EMAIL, of an account without roles")
	} else {
		d.add("account", shared.OK, "the agent runs as "+s.ServiceAccount, "")
	}
	room := s.Instances * s.Concurrency
	if said := fmt.Sprintf("%d instances at most take %d requests at once", s.Instances, room); room < d.o.Workers {
		d.add("concurrency", shared.Warning, fmt.Sprintf("%s: %d workers wait for them, and are refused after ten seconds", said, d.o.Workers), fmt.Sprintf("lambdapool update %s --instances %d, as far as the region's quota of vCPUs goes, or fewer workers", d.name, d.o.Workers))
	} else {
		d.add("concurrency", shared.OK, said, "")
	}
}

func (d *doctor) callers(ctx context.Context, s *Service) {
	switch open, err := d.c.anybody(ctx, s); {
	case err != nil:
		d.add("callers", shared.Note, "not looked at: "+text(err), "roles/run.viewer shows them")
	case open:
		d.add("callers", shared.Problem, "everybody may call it, and the agent runs what it is asked to", fmt.Sprintf("gcloud run services remove-iam-policy-binding %s --region=%s --project=%s --member=allUsers --role=%s", d.name, d.c.at.Region, d.c.at.ID, invoker))
	default:
		d.add("callers", shared.OK, "only who has "+invoker, "")
	}
}

// code compares the deployed image with one of the local package, by its digest.
func (d *doctor) code(ctx context.Context, s *Service) {
	if d.o.Package == "" {
		said := "not compared with local code"
		if s.Env[agentmain.BuildVariable] != "" {
			said = "built from commit " + s.Env[agentmain.BuildVariable] + ", " + said
		}
		d.add("code", shared.Note, said, "name the package: lambdapool doctor "+d.name+" PACKAGE")
		return
	}
	a, err := compile(ctx, d.o.Dir, d.o.Package)
	var local place
	if err == nil {
		local, err = d.c.planned(s.Name, s.source.Bucket, a)
	}
	_, digest, _ := strings.Cut(s.Image, "@")
	switch {
	case err != nil:
		d.add("code", shared.Problem, "the local code does not build: "+text(err), "correct it")
	case local.Source != nil && !local.same(s):
		d.add("code", shared.Warning, fmt.Sprintf("deployed archive %.12s differs from local %.12s", strings.TrimPrefix(s.source.Object, archives), strings.TrimPrefix(local.Source.Storage.Object, archives)), "lambdapool update "+d.name+" "+d.o.Package)
	case !local.same(s):
		d.add("code", shared.Warning, fmt.Sprintf("deployed image %.19s differs from local %.19s", digest, a.Digest), "lambdapool update "+d.name+" "+d.o.Package)
	default:
		d.add("code", shared.OK, "deployed code is the local code", "")
	}
}

// shapes asks the agent, and compares what it registers with what the local code does.
func (d *doctor) shapes(ctx context.Context) {
	deployed, err := d.c.Describe(ctx, d.name)
	if err != nil {
		remedy := "lambdapool logs " + d.name + " --since 10m shows what it said"
		if isDenied(err) {
			remedy = "lambdapool policy client " + d.name + " prints the roles that callers need"
		}
		d.add("agent", shared.Problem, text(err), remedy)
		return
	}
	d.add("agent", shared.OK, "answers with "+english.Count(len(deployed.Functions), "function"), "")
	if d.o.Local == nil {
		return
	}
	local, err := d.o.Local(ctx)
	if err != nil {
		d.add("shapes", shared.Warning, "the local code cannot be asked: "+text(err), "")
		return
	}
	differences := ask.Differences(local, deployed.Functions)
	for _, said := range differences {
		d.add("shapes", shared.Problem, said, "lambdapool update "+d.name+" "+d.o.Package)
	}
	if len(differences) == 0 {
		d.add("shapes", shared.OK, "all functions have the same signature here and there; fields of structs are compared by each call", "")
	}
}
