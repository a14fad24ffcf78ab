// Package store is the object store of the embedded Lambda, as S3 is Lambda's: large
// payloads and detached runs lie in it, and whoever has a link that it has signed may do by
// plain HTTP what the link says. It implements [driver.Store] for the client, and serves
// the links for agents. It may know the vocabulary of backends, the pool's wire format and a
// directory to keep objects in. Functions, agents, and how requests to Lambda are signed must
// never enter: a link is all the right that a request needs here.
//
//	Store      objects in memory or in files, within a limit
//	Link…      the right to do one thing with one object, for a time
//	Route      what serves the links
//	Relinked   links that another process has signed, for where the store is now
package store
