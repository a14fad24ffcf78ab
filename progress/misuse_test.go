package progress_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/inproc"
	"github.com/lambdapool/lambdapool/progress"
)

func TestWithoutAWriterTheRunIsRefused(t *testing.T) {
	pool, err := lambdapool.New(inproc.New())
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	for name, option := range map[string]lambdapool.MapOption{"Bar": progress.Bar(nil), "JSON": progress.JSON(nil)} {
		_, err := lambdapool.Map(t.Context(), pool, square, []int{1}, option)
		if !errors.Is(err, lambdapool.ErrBadArguments) || !strings.Contains(err.Error(), "the writer is nil") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
