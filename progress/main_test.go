package progress_test

import (
	"testing"

	"github.com/lambdapool/lambdapool/internal/noleak"
)

func TestMain(m *testing.M) { noleak.Main(m) }
