package googletest

import (
	"net/http"
	"testing"

	artifactregistry "cloud.google.com/go/artifactregistry/apiv1"
	"cloud.google.com/go/artifactregistry/apiv1/artifactregistrypb"
)

func TestRepositoriesAreMadeAndDeleted(t *testing.T) {
	c := start(t, "roles/artifactregistry.admin")
	ctx := soon(t)
	client, err := artifactregistry.NewRESTClient(ctx, c.at(c.URL())...)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	name := c.parent() + "/repositories/mine"
	if _, err := client.GetRepository(ctx, &artifactregistrypb.GetRepositoryRequest{Name: name}); status(err) != http.StatusNotFound {
		t.Errorf("before it is there: %v", err)
	}
	asked := &artifactregistrypb.CreateRepositoryRequest{Parent: c.parent(), RepositoryId: "mine", Repository: &artifactregistrypb.Repository{
		Format: artifactregistrypb.Repository_DOCKER, Description: "of lambdapool", Labels: map[string]string{"lambdapool": "agent"},
	}}
	op, err := client.CreateRepository(ctx, asked)
	if err != nil {
		t.Fatal(err)
	}
	made, err := op.Wait(ctx)
	if err != nil || made.GetName() != name || made.GetFormat() != artifactregistrypb.Repository_DOCKER || made.GetLabels()["lambdapool"] != "agent" {
		t.Errorf("made %v, %v", made, err)
	}
	if found, err := client.GetRepository(ctx, &artifactregistrypb.GetRepositoryRequest{Name: name}); err != nil || found.GetDescription() != "of lambdapool" || !found.GetCreateTime().IsValid() {
		t.Errorf("found %v, %v", found, err)
	}
	if _, err := client.CreateRepository(ctx, asked); status(err) != http.StatusConflict {
		t.Errorf("a second one: %v", err)
	}
	deleting, err := client.DeleteRepository(ctx, &artifactregistrypb.DeleteRepositoryRequest{Name: name})
	if err == nil {
		err = deleting.Wait(ctx)
	}
	if err != nil {
		t.Error(err)
	}
}
