// Package gcs is the object store over Google Cloud Storage, by its XML API: what a backend on Google Cloud
// hands to an executor for large payloads and detached runs. It makes requests with access tokens and signs
// links and forms as a service account, over net/http alone.
//
// A [Store] is a [driver.Store]. It needs a source of tokens and a [Signer]: [NewKeySigner] where there is a
// key, [NewBlobSigner] where Google signs.
//
// Three facts about Google decide how it works. An object is created once by the header
// x-goog-if-generation-match: 0, since If-None-Match is for reads. A signature is RSA and takes milliseconds,
// or a request, so that one form that serves many calls is worth more than on S3. And links that Google signs
// are only sure to work for twelve hours.
//
// It may know driver and codec, and what backends over net/http share. Google's SDKs must never enter it: they
// double a client. Nor may the backends that use it, or the stand-in that it is tested against.
package gcs
