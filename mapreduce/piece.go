package mapreduce

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"

	"github.com/lambdapool/lambdapool/splits"
)

// An object is what a mapper has stored at once: for each partition a piece, in their order. A piece is records,
// sorted by key: the key with its length before it, the value likewise.
type object struct {
	Name  string   // below the run's prefix: another for each attempt
	Sizes []int64  // of the pieces, in bytes
	Sums  []uint32 // of the pieces
}

// A piece is a part of an object that belongs to one partition.
type piece struct {
	Where splits.Split
	Sum   uint32

	file string // of this agent: then it is all of that
}

// ErrDamaged is wrapped when a piece is not what was stored.
var ErrDamaged = errors.New("a piece is damaged")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func checksum(sum uint32, data []byte) uint32 { return crc32.Update(sum, castagnoli, data) }

func appendRecord(to, key, value []byte) []byte {
	to = binary.AppendUvarint(to, uint64(len(key)))
	to = append(to, key...)
	to = binary.AppendUvarint(to, uint64(len(value)))
	return append(to, value...)
}

const (
	// small is how large a piece is, in bytes, that is read at once: no connection waits for its turn.
	small = 256 << 10

	// readAhead is the buffer of a larger one.
	readAhead = 64 << 10

	// maxValue is more than a value can have, in bytes: what is more is no length.
	maxValue = 1 << 30
)

// A cursor reads the records of a piece.
type cursor struct {
	piece piece
	order int // among the pieces: values of a key come in the order of the inputs
	body  io.ReadCloser
	from  *bufio.Reader
	sum   uint32 // of what was read from body

	key, value []byte // of the record that is next; they are reused
}

// open returns a cursor before the first record.
func (p piece) open(ctx context.Context, order int) (*cursor, error) {
	body, err := p.read(ctx)
	if err != nil {
		return nil, err
	}
	c := &cursor{piece: p, order: order, body: body}
	if size := p.Where.To - p.Where.From; size <= small {
		data := make([]byte, size)
		_, err := io.ReadFull(body, data)
		_ = body.Close() // it was read
		if err != nil {
			return nil, c.broken(err)
		}
		c.body = io.NopCloser(bytes.NewReader(data))
	}
	c.from = bufio.NewReaderSize((*summing)(c), readAhead)
	return c, nil
}

func (p piece) read(ctx context.Context) (io.ReadCloser, error) {
	if p.file == "" {
		return p.Where.Open(ctx)
	}
	file, err := os.Open(p.file)
	if err != nil {
		return nil, fmt.Errorf("mapreduce: a file of the agent: %w", err)
	}
	return file, nil
}

// summing is how a cursor reads its body.
type summing cursor

func (s *summing) Read(p []byte) (int, error) {
	n, err := s.body.Read(p)
	s.sum = checksum(s.sum, p[:n])
	return n, err //nolint:wrapcheck // it names the object, or is io.EOF
}

// next reads a record. It returns false at the end, where the sum has to fit.
func (c *cursor) next() (bool, error) {
	_, err := c.from.Peek(1)
	switch {
	case err == nil:
	case !errors.Is(err, io.EOF):
		return false, c.broken(err)
	case c.sum != c.piece.Sum:
		return false, fmt.Errorf("mapreduce: %v: %w: its checksum is another", c.piece.Where, ErrDamaged)
	default:
		return false, nil
	}
	if c.key, err = c.field(c.key, maxKey); err == nil {
		c.value, err = c.field(c.value, maxValue)
	}
	if err != nil {
		return false, c.broken(err)
	}
	return true, nil
}

// field reads a length and as many bytes.
func (c *cursor) field(into []byte, most uint64) ([]byte, error) {
	n, err := binary.ReadUvarint(c.from)
	if err != nil {
		return into, err
	}
	if n > most {
		return into, fmt.Errorf("%w: a field claims to have %d bytes", ErrDamaged, n)
	}
	if n > uint64(cap(into)) {
		into = make([]byte, n)
	}
	into = into[:n]
	_, err = io.ReadFull(c.from, into)
	return into, err
}

func (c *cursor) broken(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = fmt.Errorf("%w: it ends within a record", ErrDamaged)
	}
	return fmt.Errorf("mapreduce: %v: %w", c.piece.Where, err)
}

func (c *cursor) close() { _ = c.body.Close() } // it was read: nothing is lost
