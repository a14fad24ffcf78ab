package runlocal

import (
	"slices"
	"strings"
)

// A binding gives a member a role on a resource; the resource "" is the project.
type binding struct{ role, member, resource string }

// permissions are those of the predefined roles that matter here.
// https://cloud.google.com/iam/docs/roles-permissions/run, 2026-11. Whether roles/run.admin holds
// run.routes.invoke is left out: the least is assumed.
var permissions = map[string][]string{
	"roles/run.invoker":                    {"run.routes.invoke"},
	"roles/run.viewer":                     {"run.services.get", "run.services.list", "run.operations.get", "run.services.getIamPolicy"},
	"roles/run.developer":                  {"run.services.get", "run.services.list", "run.services.create", "run.services.update", "run.services.delete", "run.operations.get", "run.services.getIamPolicy"},
	"roles/run.admin":                      {"run.services.get", "run.services.list", "run.services.create", "run.services.update", "run.services.delete", "run.operations.get", "run.services.getIamPolicy", "run.services.setIamPolicy"},
	"roles/iam.serviceAccountTokenCreator": {"iam.serviceAccounts.getOpenIdToken", "iam.serviceAccounts.getAccessToken", "iam.serviceAccounts.signBlob"},
	"roles/artifactregistry.reader":        {mayPull, "artifactregistry.repositories.get"},
	"roles/artifactregistry.writer":        {mayPull, mayPush, "artifactregistry.repositories.get"},
	"roles/artifactregistry.repoAdmin":     {mayPull, mayPush, mayDelete, "artifactregistry.repositories.get"},
	"roles/artifactregistry.admin":         {mayPull, mayPush, mayDelete, "artifactregistry.repositories.get", "artifactregistry.repositories.create", "artifactregistry.repositories.delete"},
	"roles/iam.serviceAccountUser":         {"iam.serviceAccounts.actAs"},
	"roles/storage.objectUser":             {"storage.objects.create", mayRead, "storage.objects.list", "storage.objects.delete"},
	"roles/storage.objectCreator":          {"storage.objects.create"},
	"roles/storage.objectViewer":           {mayRead, "storage.objects.list"},
	"roles/run.serviceAgent":               {mayRead}, // and much else, which nobody needs here
	"roles/cloudtasks.enqueuer":            {"cloudtasks.tasks.create"},
	"roles/logging.viewer":                 {"logging.logEntries.list"},
}

// Grant gives an account a role: on a service by its full name, on a service account by its e-mail address,
// or on the project by "".
func (i *issuer) Grant(role, email, resource string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.bindings[binding{role, email, resource}] = true
}

// Revoke takes it back.
func (i *issuer) Revoke(role, email, resource string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	delete(i.bindings, binding{role, email, resource})
}

// may reports whether an account has a permission on a resource, there or by the project.
func (i *issuer) may(email, permission, resource string) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	for b := range i.bindings {
		if (b.member == email || b.member == "allUsers") && (b.resource == resource || b.resource == "") && slices.Contains(permissions[b.role], permission) {
			return true
		}
	}
	return false
}

// policy lists who has which role on a resource, as Google writes members.
func (i *issuer) policy(resource string) map[string][]string {
	i.mu.Lock()
	defer i.mu.Unlock()
	roles := map[string][]string{}
	for b := range i.bindings {
		if b.resource == resource {
			roles[b.role] = append(roles[b.role], i.member(b.member))
		}
	}
	for _, members := range roles {
		slices.Sort(members)
	}
	return roles
}

// member is how a policy names an account. i.mu is held.
func (i *issuer) member(email string) string {
	switch a := i.accounts[email]; {
	case email == "allUsers":
		return email
	case a != nil && a.person:
		return "user:" + email
	}
	return "serviceAccount:" + email
}

// setPolicy replaces what roles on a resource say.
func (i *issuer) setPolicy(resource string, roles map[string][]string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for b := range i.bindings {
		if b.resource == resource {
			delete(i.bindings, b)
		}
	}
	for role, members := range roles {
		for _, m := range members {
			if _, email, ok := strings.Cut(m, ":"); ok {
				m = email
			}
			i.bindings[binding{role, m, resource}] = true
		}
	}
}
