package failure

import (
	"errors"

	"github.com/lambdapool/lambdapool/driver"
	"github.com/lambdapool/lambdapool/internal/contain"
)

// Tame makes a backend's error, or a store's, safe to look into. What an InvokeError says of the attempt stays,
// whatever the errors in it do.
func Tame(err error) error {
	known, ok := err.(*driver.InvokeError) //nolint:errorlint // what wraps one may be the fault
	if !ok || known == nil {
		return contain.Tame(err)
	}
	if _, plain := known.Err.(*driver.InvokeError); !plain && known.Err != nil && contain.Tame(known) == error(known) {
		return known
	}
	tamed := *known
	tamed.Kind = contain.Tame(known.Kind)
	if tamed.Err = contain.Tame(known.Err); tamed.Err == nil {
		tamed.Err = errors.New("the backend gave no cause")
	}
	return &tamed
}
