package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"os"
)

const (
	size = 100 // of a record, in bytes, with its newline
	key  = 10  // of these
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// An order is what was seen of records, one after another.
type order struct {
	Records int64
	Sum     uint64 // of their checksums: the same in any order
	Falls   int64  // how often a key is below the one before

	last [key]byte
}

func (o *order) add(record []byte) {
	if bytes.Compare(record[:key], o.last[:]) < 0 {
		o.Falls++
	}
	copy(o.last[:], record)
	o.Records++
	o.Sum += uint64(crc32.Checksum(record, castagnoli))
}

// read adds all records of r.
func (o *order) read(r io.Reader) error {
	from, record := bufio.NewReaderSize(r, 1<<20), make([]byte, size)
	for {
		_, err := io.ReadFull(from, record)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		o.add(record)
	}
}

// check says what is wrong with what was sorted, of what there was.
func (o *order) check(was order) error {
	if o.Records != was.Records || o.Sum != was.Sum || o.Falls > 0 {
		return fmt.Errorf("%d records with sum %x, %d of them below the one before; there were %d with sum %x", o.Records, o.Sum, o.Falls, was.Records, was.Sum)
	}
	return nil
}

// generate writes records of printable characters: a random key, the record's number, and a filling, as gensort's are.
func generate(file string, p params) (seen order, err error) {
	f, err := os.Create(file)
	if err != nil {
		return seen, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	to := bufio.NewWriterSize(f, 1<<20)
	random := rand.New(rand.NewPCG(p.seed, 2)) //nolint:gosec // data, no secret
	record := bytes.Repeat([]byte("ABCDEFGHIJ"), size/10)
	record[size-1] = '\n'
	for i := range p.records {
		for n, bits := 0, random.Uint64(); n < key; n++ {
			record[n] = ' ' + byte(bits%95)
			bits /= 95
			if n == key-2 {
				bits = random.Uint64() // 95⁹ are nearly all that 64 bits tell apart
			}
		}
		for n, rest := key+32, i; n > key; n-- {
			record[n] = '0' + byte(rest%10)
			rest /= 10
		}
		seen.add(record)
		if _, err := to.Write(record); err != nil {
			return seen, err
		}
	}
	return seen, to.Flush()
}
