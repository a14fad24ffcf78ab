// Package wire is what all of the embedded services have in common on the wire: requests
// that are signed, bodies that are bounded, names, refusals and answers in the form that
// the clients of each protocol read. It knows no function, no role and no log group, and
// nothing of agents; which operations there are is told to it. State of a service must
// never enter, nor anything of the pool that this module is about: whoever reads this
// package alone sees how a small AWS service talks, and not what it does.
//
//	Authenticator   who may ask (Signature Version 4), and for which service
//	Decode          JSON as strict as the services are
//	Identify        which function a request means
//	Refusal         why a request is not served
//	ServeQuery      the protocol of IAM and STS: a form in, XML out
//	WriteJSON       the answers of the others
package wire
