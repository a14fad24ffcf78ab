package journal

import (
	"path/filepath"

	"github.com/lambdapool/lambdapool"
)

// ReadAhead and RecordSize bound what a reader holds.
const (
	ReadAhead  = readAhead
	RecordSize = recordSize
)

// Log is an open file.
type Log = log

// Open opens the file of a run as WithJournal does.
func Open(dir, name string, run lambdapool.JournalRun) (*log, error) {
	return openLog(File(dir, name), run, &directory{})
}

// File is where a run is recorded.
func File(dir, name string) string { return filepath.Join(dir, fileName(name)+extension) }

// Held is how many bytes of records are in memory, and in how many records.
func (l *log) Held() (bytes, records int) {
	for _, u := range l.reader.ahead {
		bytes += len(u.rest) + len(u.entry.Data)
	}
	for _, u := range l.reader.begun {
		bytes += len(u.rest) + len(u.entry.Data)
	}
	return bytes, len(l.reader.ahead) + len(l.reader.begun)
}
