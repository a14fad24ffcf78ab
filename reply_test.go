package lambdapool_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/inproc"
)

// manyLines is more text than its compressed reply.
func manyLines(n int) []string {
	lines := make([]string, n)
	for i := range lines {
		lines[i] = fmt.Sprintf("line %d of many that zstd shrinks", i)
	}
	return lines
}

var listLines = lambdapool.Register("test.listLines", func(_ context.Context, n int) ([]string, error) { return manyLines(n), nil })

// A reuser is a backend that writes over a reply once the next one has come.
type reuser struct {
	lambdapool.Backend
	last []byte
}

func (b *reuser) Invoke(ctx context.Context, r *lambdapool.Request) (*lambdapool.Response, error) {
	clear(b.last)
	response, err := b.Backend.Invoke(ctx, r)
	if err == nil {
		b.last = response.Payload
	}
	return response, err
}

// A value shares no memory with the reply that brought it, compressed or not.
func TestValuesAreTheCallers(t *testing.T) {
	for _, compress := range []bool{false, true} {
		b := &reuser{Backend: inproc.New()}
		e, err := lambdapool.New(b, lambdapool.WithCompression(compress))
		if err != nil {
			t.Fatal(err)
		}
		first, err := lambdapool.Call(t.Context(), e, listLines, 20_000)
		if err != nil {
			t.Fatal(err)
		}
		if small := len(b.last) < len(strings.Join(first, "")); small != compress {
			t.Errorf("compressed %t: a reply of %d bytes", compress, len(b.last))
		}
		second, err := lambdapool.Call(t.Context(), e, listLines, 20_000)
		if err != nil {
			t.Fatal(err)
		}
		if want := manyLines(20_000); !slices.Equal(first, want) || !slices.Equal(second, want) {
			t.Errorf("compressed %t: a value changed when the next reply came", compress)
		}
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	}
}
