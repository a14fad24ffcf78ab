//go:build !linux && !darwin

package keep

import (
	"errors"
	"os"
)

func lockFile(string) (*os.File, error) { return nil, errors.ErrUnsupported }

func unlockFile(*os.File) error { return errors.ErrUnsupported }
