package noleak

import (
	"testing"
	"time"
)

func TestMain(m *testing.M) { Main(m) }

// What ends later than goleak waits for is no leak; what does not end is one.
func TestFind(t *testing.T) {
	end := make(chan struct{})
	go func() { <-end }()
	if err := find(0); err == nil {
		t.Error("a goroutine that blocks was not found")
	}
	time.AfterFunc(time.Second, func() { close(end) })
	Check(t)
}
