package s3local_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lambdapool/lambdapool/internal/s3local"
)

// serveDir has the test binary serve this directory until it is killed.
const serveDir = "TEST_S3LOCAL_DIR"

func serveForEver(dir string) {
	s, err := s3local.Open(s3local.Config{Dir: dir, Address: os.Getenv("TEST_S3LOCAL_ADDRESS"), AccessKeyID: keyID, SecretAccessKey: secret, Buckets: []string{bucket}})
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	fmt.Println(s.Endpoint())
	select {}
}

// startProcess serves dir in another process, and returns it with its endpoint.
func startProcess(t *testing.T, dir, address string) (*exec.Cmd, string) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), serveDir+"="+dir, "TEST_S3LOCAL_ADDRESS="+address)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || strings.HasPrefix(line, "error") {
		t.Fatalf("%q, %v", line, err)
	}
	return cmd, strings.TrimSpace(line)
}

// However often the process is killed while objects are stored, replaced and deleted:
// what was acknowledged is there, whole, at the same address, and nothing else is.
func TestKilled(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	address := ""
	may := map[string][]string{} // what may be there: one thing, unless its writer got no answer
	for round := range 6 {
		cmd, endpoint := startProcess(t, dir, address)
		address = strings.TrimPrefix(endpoint, "http://")
		s := store{Client: client(t, endpoint, keyID, secret), endpoint: endpoint}
		for key, want := range may {
			got := s.get(t, key)
			if !slices.Contains(want, got) {
				t.Errorf("round %d: %s has %d bytes, which nobody stored last", round, key, len(got))
			}
			may[key] = []string{got}
		}
		if round == 5 {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
			break
		}
		var writers sync.WaitGroup
		var mu sync.Mutex
		var stored atomic.Int64
		ctx, cancel := context.WithCancel(t.Context())
		for writer := range 4 {
			writers.Go(func() {
				for n := 0; ctx.Err() == nil; n++ {
					key := fmt.Sprint(writer, "/", n%20)
					body := strings.Repeat(strconv.Itoa(round*1000+n)+" ", 1000*(1+n%30))
					mu.Lock()
					if may[key] == nil {
						may[key] = []string{"NoSuchKey"}
					}
					may[key] = append(may[key], body)
					mu.Unlock()
					if s.put(ctx, key, body) == nil {
						mu.Lock()
						may[key] = []string{body}
						mu.Unlock()
						stored.Add(1)
					}
				}
			})
		}
		deadline := time.Now().Add(3 * time.Minute)
		for stored.Load() < 60 && time.Now().Before(deadline) {
			time.Sleep(time.Millisecond)
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // it was killed
		cancel()
		writers.Wait()
	}
	s := open(t, dir) // which sweeps
	small, large := 0, 0
	for writer := range 4 {
		for n := range 20 {
			switch got := s.get(t, fmt.Sprint(writer, "/", n)); {
			case got == "NoSuchKey":
			case len(got) > 16<<10:
				large++
			default:
				small++
			}
		}
	}
	if n := files(t, dir); n != large || small == 0 || large == 0 {
		t.Errorf("%d files for %d large objects, %d small ones", n, large, small)
	}
}
