package rundeploy

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/lambdapool/lambdapool/deploy/internal/steps"
	"github.com/lambdapool/lambdapool/deploy/rundeploy/internal/image"
)

// What a container says that has an archive instead of an image. Source: the schema of the Admin API,
// https://cloud.google.com/run/docs/reference/rest/v2/Container, and https://github.com/GoogleCloudPlatform/cloud-run-mcp,
// 2026-11.
const (
	scratch  = "scratch"
	baseOnly = "osonly24" // Ubuntu 24 without a language
)

// archives is what the keys of archives begin with. It is none of the prefixes whose objects cloudrun.LifecycleRule has
// removed.
const archives = "lambdapool/agents/"

// A place is where the code of a service is: in an image, or in an archive in a bucket, which is over a base image.
type place struct {
	Image     string
	BaseImage string
	Source    *sourceJSON // nil: it is the image
	Command   []string
}

// String is how Cloud Storage's own tools write an object.
func (s storageJSON) String() string { return "gs://" + s.Bucket + "/" + s.Object }

// bucket is where the code goes of a service whose code is in deployed now; "": an image.
func (s *Settings) bucket(deployed string) string {
	if s.SourceBucket == anImage {
		return ""
	}
	return cmp.Or(s.SourceBucket, deployed)
}

// planned is where the code of a service will be. The generation of an archive is known once it is there.
func (c *Client) planned(service, bucket string, a *Artifact) (place, error) {
	if bucket == "" {
		return place{Image: c.imageName(service) + "@" + a.Digest}, nil
	}
	if a.Size > MaxSource {
		return place{}, steps.Invalid("the agent has %d bytes: from a bucket Cloud Run takes %d MiB; an image may be larger: source bucket none", a.Size, MaxSource>>20)
	}
	made, err := a.archive()
	if err != nil {
		return place{}, err
	}
	return place{Image: scratch, BaseImage: baseOnly, Source: &sourceJSON{storageJSON{Bucket: bucket, Object: made.key}}, Command: []string{image.Command}}, nil
}

// send brings the code to its place: what is there already is not sent again.
func (c *Client) send(ctx context.Context, service string, a *Artifact, to *place) error {
	if to.Source != nil {
		made, err := a.archive()
		if err != nil {
			return err
		}
		to.Source.Storage.Generation, err = c.upload(ctx, to.Source.Storage, made.data)
		return err
	}
	if err := c.ensureRepository(ctx); err != nil {
		return err
	}
	_, err := c.push(ctx, service, a)
	return err
}

// same reports whether the code of a service is this already.
func (p *place) same(s *Service) bool {
	if p.Source != nil {
		return p.Source.Storage.Bucket == s.source.Bucket && p.Source.Storage.Object == s.source.Object
	}
	_, have, _ := strings.Cut(s.Image, "@")
	_, want, _ := strings.Cut(p.Image, "@")
	return have == want
}

// put has a container be of this code. What it says besides stays.
func (p *place) put(container object) {
	_, had := container["sourceCode"]
	container["image"] = p.Image
	if p.Source == nil {
		if had { // then the command was the archive's, too
			delete(container, "baseImageUri")
			delete(container, "sourceCode")
			delete(container, "command")
		}
		return
	}
	from := object{"bucket": p.Source.Storage.Bucket, "object": p.Source.Storage.Object}
	if g := p.Source.Storage.Generation; g > 0 {
		from["generation"] = strconv.FormatInt(g, 10)
	}
	container["baseImageUri"] = p.BaseImage
	container["sourceCode"] = object{"cloudStorageSource": from}
	container["command"] = p.Command
}

// describeSource reads where the code of a container is that has no image.
func (s *Service) describeSource(container object) {
	code, _ := container["sourceCode"].(object)
	from, _ := code["cloudStorageSource"].(object)
	s.source.Bucket, _ = from["bucket"].(string)
	s.source.Object, _ = from["object"].(string)
	if text := fmt.Sprint(from["generation"]); s.source.Bucket != "" {
		s.source.Generation, _ = strconv.ParseInt(text, 10, 64) // there may be none
		s.Source = s.source.String()
	}
}
