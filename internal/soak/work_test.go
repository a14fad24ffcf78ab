package soak_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/lambdapool/lambdapool"
)

// A task is what a call asks for. Its result, and whether it fails, follow from
// its ID alone.
type task struct {
	ID   int
	Work time.Duration
}

type product struct {
	ID  int
	Sum []byte
}

var errUnlucky = errors.New("unlucky number")

// once must not run twice; often may. Even IDs go to the one, odd ones to the other.
var (
	once  = lambdapool.Register("soak.once", run)
	often = lambdapool.Register("soak.often", run, lambdapool.Idempotent())
)

func init() { lambdapool.RegisterError("soak.unlucky", errUnlucky) }

func run(ctx context.Context, t task) (product, error) {
	note("begin", t.ID)
	defer note("end", t.ID)
	time.Sleep(t.Work)
	switch fails(t.ID) {
	case failure:
		return product{}, fmt.Errorf("task %d: %w", t.ID, errUnlucky)
	case panicking:
		panic(fmt.Sprintf("task %d", t.ID))
	}
	return made(t.ID), ctx.Err()
}

// made returns what task id makes: some bytes, sometimes many.
func made(id int) product {
	sum := sha256.Sum256(fmt.Append(nil, id))
	size := len(sum)
	if id%50 < 2 {
		size = 100_000
	}
	p := product{ID: id, Sum: make([]byte, 0, size)}
	for len(p.Sum) < size {
		p.Sum = append(p.Sum, sum[:]...)
	}
	return p
}

type end uint8

const (
	value end = iota
	failure
	panicking
)

// fails says how task id ends when nothing else goes wrong.
func fails(id int) end {
	switch id % 100 {
	case 42, 43:
		return failure
	case 76, 77:
		return panicking
	}
	return value
}
