package controlplane

import (
	"net/http"
	"os"
	"sync"

	"github.com/lambdapool/lambdapool/backend/local/internal/wire"
)

// linkPattern is where zips can be fetched again, by a name that nobody can guess. Lambda's GetFunction answers with a link to S3.
const linkPattern = "GET /lambdapool-code/{link}"

// links are the zips that there are. The zero value is ready.
type links struct{ zips sync.Map } // file names by link

// offer keeps a zip beside what was unpacked of it.
func (l *links) offer(c *code, data []byte) error {
	if err := os.WriteFile(c.dir+".zip", data, 0o600); err != nil { //nolint:gosec // the directory is the store's own
		return err
	}
	c.link = wire.RandomHex(16)
	l.zips.Store(c.link, c.dir+".zip")
	return nil
}

// withdraw ends that.
func (l *links) withdraw(c *code) {
	l.zips.Delete(c.link)
	_ = os.Remove(c.dir + ".zip") // what stays is removed with the store
}

func (l *links) serve(w http.ResponseWriter, r *http.Request) {
	file, ok := l.zips.Load(r.PathValue("link"))
	if !ok {
		http.Error(w, "no such code, or not any more", http.StatusForbidden) // as S3 says it
		return
	}
	http.ServeFile(w, r, file.(string)) //nolint:gosec // a file that offer has written
}
