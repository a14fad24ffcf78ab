// Package keep is a directory that outlives the process which writes to it: files that are
// whole or not there, and a lock, so that one process at a time has it. It knows no file's
// meaning: what is in a file, and how the file is named, is for those who keep something.
// Nothing else of this module may enter.
package keep
