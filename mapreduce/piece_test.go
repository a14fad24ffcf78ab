package mapreduce

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lambdapool/lambdapool/splits"
)

// inFile writes a piece as a round of merging does.
func inFile(t *testing.T, data []byte) piece {
	t.Helper()
	path := filepath.Join(t.TempDir(), "piece")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return piece{file: path, Where: splits.Split{Name: path, To: int64(len(data)), Size: int64(len(data))}, Sum: checksum(0, data)}
}

// What is not what was stored is an error, whether a piece is small or not.
func TestDamagedPieces(t *testing.T) {
	value := []byte(strings.Repeat("v", 1000))
	for _, records := range []int{3, 1000} {
		var data []byte
		for range records {
			data = appendRecord(data, []byte("key"), value)
		}
		sound := inFile(t, data)
		other, short, long := sound, inFile(t, data[:len(data)-1]), inFile(t, append(append([]byte{}, data...), 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f))
		other.Sum++
		for name, p := range map[string]piece{"sound": sound, "another sum": other, "cut off": short, "a length that is none": long} {
			n := 0
			m, err := newMerger(t.Context(), []piece{p})
			for err == nil && m.top() != nil {
				n++
				err = m.advance()
			}
			if m != nil {
				m.close()
			}
			if name == "sound" {
				if err != nil || n != records {
					t.Errorf("%d records: %d were read, %v", records, n, err)
				}
			} else if !errors.Is(err, ErrDamaged) {
				t.Errorf("%d records, %s: %v", records, name, err)
			}
		}
	}
}
