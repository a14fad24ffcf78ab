// Package nest lets functions on Cloud Run call on the pool that they run in. Import it for that,
// in the package of the functions, so that client and agent have it:
//
//	import _ "github.com/lambdapool/lambdapool/backend/cloudrun/nest"
//
// [lambdapool.FromContext] then returns an executor on the function's own service: K_SERVICE in the
// project and region of the metadata server, with the identity of the service's account. The account
// needs roles/run.invoker on the service, and roles/run.viewer for the one look-up of its limits.
//
// A client with it keeps workers for calls of functions: see [lambdapool.WithMaxDepth]. What
// functions pass on must fit into a request, since an agent has no rights in a store.
package nest

import (
	"context"
	"fmt"
	"os"
	"path"

	"cloud.google.com/go/compute/metadata"

	"github.com/lambdapool/lambdapool/backend/cloudrun"
	"github.com/lambdapool/lambdapool/driver"
	"github.com/lambdapool/lambdapool/internal/nested"
)

var _ = nested.Link(&nested.Opener{Import: nested.CloudRun, Variable: nested.CloudRunVariable, Open: open})

// open asks the metadata server for the region, as "projects/NUMBER/regions/REGION"
// (cloud.google.com/run/docs/container-contract, 2026-11). The project is that of the credentials.
func open(ctx context.Context) (driver.Backend, error) {
	region := os.Getenv("CLOUDSDK_RUN_REGION")
	if region == "" {
		full, err := metadata.GetWithContext(ctx, "instance/region")
		if err != nil {
			return nil, fmt.Errorf("ask the metadata server for the region of the service: %w", err)
		}
		region = path.Base(full)
	}
	b, err := cloudrun.New(ctx, os.Getenv(nested.CloudRunVariable), cloudrun.WithRegion(region))
	if err != nil {
		return nil, err // a nil *Backend would be none
	}
	return b, nil
}
