// Package objects is what the object stores on this machine have in common, whichever cloud's language they
// speak: objects in a directory, in buckets, whole or not at all; listings in the order of keys; conditions
// on what is there; policies that forms are held to; the canonical form of requests that are signed; and a
// server on loopback.
//
// Internal/s3local speaks Amazon's language over it, internal/gcslocal Google's. This package knows no
// signature and no name of a header that one of them has and the other has not: what a request may ask for
// is decided there. It links nothing of this module but the reader of forms.
package objects
