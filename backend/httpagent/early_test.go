package httpagent_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"
)

// A platform may end an agent as soon as it listens, and send it a request at the same time. Who has
// reached it gets an answer: it does not die of SIGTERM from then on.
func TestAnAgentThatIsEndedAsSoonAsItListens(t *testing.T) {
	t.Parallel()
	var ends sync.WaitGroup
	defer ends.Wait()
	for range 10 { // the moment is short
		at := address(t)
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "LAMBDAPOOL_AGENT=http", "LAMBDAPOOL_ADDRESS="+at, "LAMBDAPOOL_TOKEN="+token)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		var conn net.Conn
		eventually(t, "the agent listens", func() bool {
			var err error
			conn, err = (&net.Dialer{}).DialContext(t.Context(), "tcp", at)
			return err == nil
		})
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		_, err := fmt.Fprintf(conn, "GET /lambdapool/v1/health HTTP/1.1\r\nHost: a\r\n\r\n")
		if err == nil {
			var resp *http.Response
			if resp, err = http.ReadResponse(bufio.NewReader(conn), nil); err == nil {
				err = resp.Body.Close()
			}
		}
		if err != nil {
			t.Errorf("no answer: %v", err)
		}
		_ = conn.Close() // the answer is there
		ends.Go(func() { // which takes half a second
			if err := cmd.Wait(); err != nil {
				t.Errorf("the agent: %v", err)
			}
		})
	}
}
