package service

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestScalingLaw(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		if (ScalingLaw{}).Starts() != nil {
			t.Error("no law has a bucket")
		}
		starts := ScalingLaw{Burst: 3, PerSecond: 2}.Starts()
		count := func(want int) {
			t.Helper()
			n := 0
			for starts() {
				n++
			}
			if n != want {
				t.Errorf("%d may start, want %d", n, want)
			}
		}
		count(3)
		time.Sleep(time.Second)
		count(2)
		time.Sleep(time.Hour) // nothing is saved up
		count(3)
	})
}
