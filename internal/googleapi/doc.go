// Package googleapi asks Google's APIs: by net/http and small JSON structs, with the application
// default credentials. Its users are backend/cloudrun and what deploys to Cloud Run. Google's own SDK
// would double a client.
//
// Agents, the root and clients of AWS alone must not link it: it links x/oauth2.
package googleapi
