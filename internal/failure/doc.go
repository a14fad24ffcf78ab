// Package failure is what went wrong with a call, before the root makes the public error of it in one place.
// A call fails in one of two ways, and each is a type here: [Function] where the user's function said so, [Pool]
// where anything else did. So the rooms below the root can decide by what has happened, and cannot return an
// error that a program must not see half made.
//
// It may know driver, in whose words backends say what became of an attempt, and codec, in which agents do. What is
// done about a failure (to retry, to divide, to give up) must never enter, and neither must the errors that programs
// see: their text is theirs, but for what is said of a [Pool], which is the same from here on.
package failure
