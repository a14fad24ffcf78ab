package rundeploy

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/lambdapool/lambdapool/deploy/internal/steps"
	"github.com/lambdapool/lambdapool/deploy/rundeploy/internal/image"
	"github.com/lambdapool/lambdapool/deploy/shared"
)

// repository is the full name of where images go.
func (c *Client) repository() string { return c.parent() + "/repositories/" + c.at.Repository }

func (c *Client) makeRepositoryCommand() string {
	return fmt.Sprintf("gcloud artifacts repositories create %s --repository-format=docker --location=%s --project=%s", c.at.Repository, c.at.Region, c.at.ID)
}

// hasRepository reports whether it is there, as far as the rights allow to see that. Who may only push is told when
// that fails.
func (c *Client) hasRepository(ctx context.Context) (bool, error) {
	err := c.read(ctx, c.id.At.Artifacts+"/v1/"+c.repository(), &struct{}{})
	switch {
	case isMissing(err):
		return false, nil
	case isDenied(err):
		return true, nil
	}
	return err == nil, err
}

// ensureRepository makes the repository where it is missing.
// https://cloud.google.com/artifact-registry/docs/reference/rest/v1/projects.locations.repositories/create, 2026-11.
func (c *Client) ensureRepository(ctx context.Context) error {
	if there, err := c.hasRepository(ctx); there || err != nil {
		return err
	}
	c.say("repository", "make "+c.at.Repository)
	in := struct {
		Format      string            `json:"format"`
		Description string            `json:"description"`
		Labels      map[string]string `json:"labels"`
	}{"DOCKER", "images of lambdapool agents", map[string]string{Label: version()}}
	op, err := c.begin(ctx, http.MethodPost, c.id.At.Artifacts+"/v1/"+c.parent()+"/repositories?repositoryId="+c.at.Repository, in)
	switch {
	case isTaken(err):
		return nil // somebody was faster
	case isDenied(err):
		return &shared.Error{Err: fmt.Errorf("there is no repository %s, and making one is not allowed: %w", c.at.Repository, err), Hint: "who may: " + c.makeRepositoryCommand()}
	case err != nil:
		return err
	}
	return c.await(ctx, c.id.At.Artifacts+"/v1/", op)
}

// push sends the image of a service, and returns its name with the digest. A push that is interrupted leaves nothing
// that anybody sees.
func (c *Client) push(ctx context.Context, service string, a *Artifact) (string, error) {
	c.say("push", fmt.Sprintf("%s, %.1f MB at most", c.imageName(service), float64(a.Compressed)/(1<<20)))
	token, err := c.id.Found.TokenSource.Token()
	if err != nil {
		return "", fmt.Errorf("no access token: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, uploadWithin)
	defer cancel()
	transport := uploads()
	defer transport.CloseIdleConnections()
	name, err := image.Place{Name: c.imageName(service), Token: token.AccessToken, Transport: transport}.Push(ctx, a.image)
	switch {
	case err == nil:
		return name, nil
	case image.Denied(err):
		return "", &shared.Error{Err: fmt.Errorf("the image cannot be pushed: %w", err), Hint: fmt.Sprintf(
			"pushing needs roles/artifactregistry.writer on the repository: gcloud artifacts repositories add-iam-policy-binding %s --location=%s --project=%s --member=user:YOU --role=roles/artifactregistry.writer",
			c.at.Repository, c.at.Region, c.at.ID)}
	case image.Missing(err):
		return "", &shared.Error{Err: fmt.Errorf("the image cannot be pushed: %w", err), Hint: "who may: " + c.makeRepositoryCommand()}
	case errors.Is(err, context.DeadlineExceeded):
		return "", fmt.Errorf("the image was not pushed within %v: %w", uploadWithin, err)
	}
	return "", fmt.Errorf("push the image: %w", steps.Cause(ctx, err))
}
