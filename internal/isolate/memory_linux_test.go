package isolate

import (
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Both kinds of memory are seen by whoever maps them, and give their pages back.
func TestSharedMemory(t *testing.T) {
	l := layout{regions: 1, slots: 8 << 20, values: 8 << 20}
	for name, share := range map[string]func() (int, error){
		"memory": func() (int, error) {
			fd, got, err := shareMemory(l)
			if got != l {
				t.Errorf("memory that is there is laid out as %+v", got)
			}
			return fd, err
		},
		"file": func() (int, error) { return unlinkedFile(l.size()) },
	} {
		t.Run(name, func(t *testing.T) {
			fd, err := share()
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := unix.Close(fd); err != nil {
					t.Error(err)
				}
			}()
			mem, err := mapMemory(fd, l.size())
			if err != nil {
				t.Fatal(err)
			}
			again, err := mapMemory(fd, l.size())
			if err != nil {
				t.Fatal(err)
			}
			inv := newJournal(mem, l).Take(Head{Began: time.Now()}, []byte("payload"))
			inv.Items(1)
			inv.Done(0, []byte("value"), 0)
			found := openJournal(again).Left()
			if len(found) != 1 || string(found[0].Payload()) != "payload" {
				t.Fatalf("the other mapping shows %d invocations", len(found))
			}
			found[0].Items(1)
			if value, _ := found[0].Result(0); string(value) != "value" {
				t.Errorf("the value is %q", value)
			}
			for _, m := range [][]byte{mem, again} {
				if err := unix.Munmap(m); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func TestOutOfMemory(t *testing.T) {
	const killed, segfault, exit2 = syscall.WaitStatus(syscall.SIGKILL), syscall.WaitStatus(syscall.SIGSEGV), syscall.WaitStatus(2 << 8)
	for _, tt := range []struct {
		name    string
		status  syscall.WaitStatus
		death   Death
		counted bool
		want    bool
	}{
		{"killed at the limit", killed, Death{Peak: 95 << 20}, false, true},
		{"killed far below", killed, Death{Peak: 40 << 20}, false, false},
		{"killed, and the kernel has counted", killed, Death{}, true, true},
		{"another signal at the limit", segfault, Death{Peak: 100 << 20}, true, false},
		{"an exit at the limit", exit2, Death{Peak: 100 << 20}, false, false},
		{"the runtime got no memory", exit2, Death{Output: "runtime.throw({0x1, 0x2})\nruntime.sysMapOS(0x3)\n"}, false, true},
		{"the runtime ended for another reason", exit2, Death{Output: "runtime.throw({0x1, 0x2})\n"}, false, false},
	} {
		if got := outOfMemory(tt.status, tt.death, 100<<20, tt.counted); got != tt.want {
			t.Errorf("%s: %t, want %t", tt.name, got, tt.want)
		}
	}
}
