package splits_test

import (
	"context"
	"crypto/sha256"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/inproc"
	"github.com/lambdapool/lambdapool/splits"
)

// A run over one object that takes longer than a link lives has links that were signed meanwhile.
func TestARunLongerThanALink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := inproc.New()
		defer b.Close()
		const parts = 3 * int(splits.LinkLife/(10*time.Minute))
		text := strings.Repeat("10 min \n", parts)
		if err := b.Store().Put(t.Context(), "in/a", strings.NewReader(text), int64(len(text)), sha256.Sum256([]byte(text))); err != nil {
			t.Fatal(err)
		}
		r := lambdapool.NewRegistry()
		links := map[string]bool{} // of one worker's
		read := lambdapool.RegisterIn(r, "read", func(ctx context.Context, s splits.Split) (n int, err error) {
			links[s.Link.URL] = true
			for _, err := range s.Lines(ctx) {
				if err != nil {
					return n, err
				}
				n++
			}
			time.Sleep(10 * time.Minute)
			return n, nil
		})
		pool, err := lambdapool.New(b, lambdapool.WithRegistry(r), lambdapool.WithWorkers(1))
		if err != nil {
			t.Fatal(err)
		}
		defer pool.Close()
		lines := 0
		source := splits.Stored(t.Context(), b.Store(), "in/", splits.Size(8))
		for n, err := range lambdapool.StreamFrom(t.Context(), pool, read, source, lambdapool.Window(2), lambdapool.ChunkSize(1)) {
			if err != nil {
				t.Fatal(err)
			}
			lines += n
		}
		if lines != parts {
			t.Errorf("%d lines were read of %d", lines, parts)
		}
		if len(links) < 5 || len(links) > 8 {
			t.Errorf("%d links were signed for %d parts of ten minutes, one lives for %v", len(links), parts, splits.LinkLife)
		}
	})
}
