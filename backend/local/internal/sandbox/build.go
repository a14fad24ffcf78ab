package sandbox

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"io/fs"
	"os"
	"sync"
)

// buildLength is how many digits of the hash name a build: enough that two never share them.
const buildLength = 32

// hashed has the hashes of executables, so that a program is read once, not for
// each agent or Backend.
var hashed = struct {
	sync.Mutex
	files map[string]hashedFile
}{files: map[string]hashedFile{}}

type hashedFile struct {
	info  fs.FileInfo // as it was before it was read
	build string
}

// buildOf names the build that the file is now: the start of its hash. It is empty for a
// file that may be run but not read.
func buildOf(path string) string {
	hashed.Lock()
	defer hashed.Unlock()
	file, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer file.Close() //nolint:errcheck // it was only read
	info, err := file.Stat()
	if err != nil {
		return ""
	}
	if known, ok := hashed.files[path]; ok && os.SameFile(known.info, info) &&
		known.info.Size() == info.Size() && known.info.ModTime().Equal(info.ModTime()) {
		return known.build
	}
	hash := sha256.New()
	if _, err := io.Copy(hash, file); err != nil {
		return ""
	}
	build := hex.EncodeToString(hash.Sum(nil))[:buildLength]
	hashed.files[path] = hashedFile{info, build}
	return build
}

// Build names the build of the program at path, empty for this executable, as the
// next agent runs it.
func Build(path string) string {
	if path == "" {
		self, err := os.Executable()
		if err != nil {
			return ""
		}
		path = thisExecutable(self)
	}
	return buildOf(path)
}
