package gcs_test

import (
	"testing"

	"github.com/lambdapool/lambdapool/internal/apart"
	"github.com/lambdapool/lambdapool/internal/noleak"
)

func TestMain(m *testing.M) {
	apart.Waiting(8)
	noleak.Main(m)
}
