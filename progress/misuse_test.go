package progress_test

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/inproc"
	"github.com/lambdapool/lambdapool/progress"
)

func TestBadOptionsRefuseTheRun(t *testing.T) {
	pool, err := lambdapool.New(inproc.New())
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	for name, tt := range map[string]struct {
		option lambdapool.MapOption
		says   string
	}{
		"Bar":              {progress.Bar(nil), "the writer is nil"},
		"JSON":             {progress.JSON(nil), "the writer is nil"},
		"Bar, nil option":  {progress.Bar(io.Discard, nil), "an option is nil"},
		"JSON, nil option": {progress.JSON(io.Discard, nil), "an option is nil"},
	} {
		_, err := lambdapool.Map(t.Context(), pool, square, []int{1}, tt.option)
		if !errors.Is(err, lambdapool.ErrBadArguments) || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
