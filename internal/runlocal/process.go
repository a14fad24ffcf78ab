package runlocal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/lambdapool/lambdapool/internal/once"
	"github.com/lambdapool/lambdapool/internal/quiet"
)

// A spawner starts processes on one thread that lives as long as it does: Linux ends a child with
// Pdeathsig when the thread that made it ends.
type spawner struct{ starts chan func() }

func newSpawner() *spawner {
	s := &spawner{starts: make(chan func())}
	go func() {
		runtime.LockOSThread()
		for start := range s.starts {
			start()
		}
	}()
	return s
}

func (s *spawner) start(cmd *exec.Cmd) error {
	failed := make(chan error)
	s.starts <- func() { failed <- cmd.Start() }
	return <-failed
}

func (s *spawner) close() { close(s.starts) }

// A spec is what all instances of a revision have in common.
type spec struct {
	service, revision string
	path              string // "": this very executable
	args              []string
	image             *image // nil: the executable is none of an image
	env               map[string]string
	memory            int64 // bytes
	concurrency, most int
	timeout           time.Duration
}

// An instance is a container: a process that listens where PORT says.
type instance struct {
	spec      *spec
	cmd       *exec.Cmd
	output    *printer
	temp      string // its TMPDIR; "": this machine's
	address   string
	transport *http.Transport
	exited    chan struct{}
	forgotten chan struct{} // closed when the revision has noticed that too
	starved   atomic.Bool   // killed for its memory

	mu     sync.Mutex
	reaped bool

	busy    int  // requests that it was given, and that the front end still waits for; guarded by the revision
	leaving bool // it gets no more; guarded by the revision
	idle    *time.Timer
}

var errStart = errors.New("the container did not listen on its port")

// run starts a container and returns when it listens.
func (s *Server) run(ctx context.Context, sp *spec) (*instance, error) {
	listener, err := listen() // the system's choice, and free again
	if err != nil {
		return nil, err
	}
	address := listener.Addr().String()
	_ = listener.Close()
	i := &instance{spec: sp, output: s.printer(sp), address: address, exited: make(chan struct{}), forgotten: make(chan struct{})}
	path := sp.path
	if path == "" {
		if path, err = self(); err != nil {
			return nil, err
		}
	}
	if err := s.spawn(i, path, sp.environment(address)); err != nil {
		_, _ = fmt.Fprintln(i.output, "The container did not start:", err)
		return nil, fmt.Errorf("%w: %w", errStart, err)
	}
	s.work.Go(i.reap)
	i.transport = &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: sp.concurrency}
	once.ForceHTTP1(i.transport)
	quiet.Transport(i.transport)
	if err := i.probe(ctx, s.options.StartTime); err != nil {
		i.kill()
		<-i.exited
		return nil, err
	}
	if sp.memory > 0 {
		s.work.Go(i.watch)
	}
	return i, nil
}

// spawn starts the process of a container.
func (s *Server) spawn(i *instance, path string, env []string) (err error) {
	command := func(as *image, dir string) *exec.Cmd {
		cmd := exec.Command(path, i.spec.args...) //nolint:gosec,noctx // whoever makes a service says what it runs; it is ended by signals
		cmd.Env, cmd.Dir, cmd.SysProcAttr = env, dir, attributes()
		cmd.Stdout, cmd.Stderr = i.output, i.output
		if as != nil && as.user >= 0 {
			become(cmd.SysProcAttr, as.user)
		}
		return cmd
	}
	image := i.spec.image
	if image == nil {
		i.cmd = command(nil, os.TempDir())
		return s.spawner.start(i.cmd)
	}
	dir, err := image.workDir()
	if err != nil {
		return err
	}
	if i.temp, err = os.MkdirTemp(s.registry.dir, "tmp-"); err != nil {
		return err
	}
	if image.user >= 0 {
		_ = os.Chown(i.temp, image.user, image.user) // if not, the process is not that user either
	}
	env = append(env, "TMPDIR="+i.temp)
	i.cmd = command(image, dir)
	if err = s.spawner.start(i.cmd); err != nil && image.user >= 0 { // root of a namespace cannot be everybody
		i.cmd = command(nil, dir)
		err = s.spawner.start(i.cmd)
	}
	return errors.Join(err, i.clean(err != nil))
}

// clean removes the temporary files of a container that has ended.
func (i *instance) clean(ended bool) error {
	if !ended || i.temp == "" {
		return nil
	}
	return os.RemoveAll(i.temp)
}

// containerPath is what PATH is where an image does not say it.
const containerPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// environment is what the container contract promises, and what the service says.
// https://cloud.google.com/run/docs/container-contract
func (sp *spec) environment(address string) []string {
	_, port, _ := net.SplitHostPort(address)
	env := []string{"PATH=" + containerPath, "HOME=/"}
	if sp.image != nil {
		env = append(env, sp.image.env...)
	}
	env = append(
		env, "PORT="+port,
		"K_SERVICE="+sp.service, "K_REVISION="+sp.revision, "K_CONFIGURATION="+sp.service,
		"LAMBDAPOOL_ADDRESS="+address, // this machine is no container: nobody else may reach it
	)
	for name, value := range sp.env {
		env = append(env, name+"="+value)
	}
	return env
}

// probe is the default startup probe: TCP.
func (i *instance) probe(ctx context.Context, within time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	for tick := time.NewTicker(2 * time.Millisecond); ; {
		if c, err := (&net.Dialer{}).DialContext(ctx, "tcp", i.address); err == nil {
			tick.Stop()
			return c.Close()
		}
		select {
		case <-tick.C:
			continue
		case <-i.exited:
		case <-ctx.Done():
		}
		tick.Stop()
		return errStart
	}
}

// watch kills the container when it has more memory than its limit.
func (i *instance) watch() {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if used := resident(i.cmd.Process.Pid); used > i.spec.memory {
				i.starved.Store(true)
				i.kill()
				return
			}
		case <-i.exited:
			return
		}
	}
}

// reap waits for the end of the container, and ends what it has left behind.
func (i *instance) reap() {
	awaitExit(i.cmd.Process.Pid)
	i.kill()
	i.mu.Lock()
	i.reaped = true
	_ = i.cmd.Wait()
	i.mu.Unlock()
	_ = i.clean(true) // what is left goes with the registry's directory
	close(i.exited)
}

// kill ends the container and all that it has started.
func (i *instance) kill() {
	i.mu.Lock()
	defer i.mu.Unlock()
	if !i.reaped { // else the id may be another's
		killGroup(i.cmd.Process.Pid)
	}
}

// leave asks the container to end, and kills it after grace.
func (i *instance) leave(grace time.Duration) {
	_ = i.cmd.Process.Signal(syscall.SIGTERM)
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-i.exited:
	case <-timer.C:
		i.kill()
		<-i.exited
	}
	i.transport.CloseIdleConnections()
}

// how says in one line why a container has ended, as Cloud Logging has it.
func (i *instance) how() string {
	if i.starved.Load() {
		return "Memory limit of " + strconv.FormatInt(i.spec.memory>>20, 10) + " MiB exceeded. Consider increasing the memory limit, see https://cloud.google.com/run/docs/configuring/memory-limits"
	}
	return "Container terminated: " + i.cmd.ProcessState.String() // the words are ours
}

func (i *instance) said(w io.Writer) { _, _ = fmt.Fprintln(w, i.how()) }
