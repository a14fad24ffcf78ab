package progress_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/progress"
)

// Chunks of 100 items that end together every ten seconds: the bar goes on meanwhile and says that it is an estimate; the
// count stays what is known. What has ended later than expected does not take the bar back.
func TestABarGoesOnWhileLargeChunksRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVT(60, 24)
		show := progress.Show(v, progress.OnTerminal(v.size, false, false))
		s := lambdapool.Snapshot{Func: "f", Total: 1000, Running: 200, Queued: 800, ETA: -1, Elapsed: 5 * time.Second}
		show(s) // nothing has ended, so there is no pace
		settle()
		check(t, v, `
f ---======---------------------   0%      0/1,000      0/s
  5.1s  200 running  800 queued
`)
		s.Done, s.Running, s.Queued, s.Elapsed = 200, 200, 600, 10*time.Second
		show(s)
		settle()
		check(t, v, `
f [=====>----------------------]  20%    200/1,000      0/s
  10s  200 running  600 queued
`)
		time.Sleep(5 * time.Second)
		check(t, v, `
f [=======>--------------------] ~30%    200/1,000      0/s
  15s  200 running  600 queued
`)
		time.Sleep(time.Minute)
		check(t, v, `
f [==========>-----------------] ~39%    200/1,000      0/s
  1m15s  200 running  600 queued
`)
		s.Done, s.Queued, s.Elapsed = 300, 500, 75*time.Second // half of what was expected
		show(s)
		settle()
		check(t, v, `
f [==========>-----------------] ~39%    300/1,000      0/s
  1m15s  200 running  500 queued
`)
		show(end(s))
	})
}
