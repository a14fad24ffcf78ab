package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"golang.org/x/sync/errgroup"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/codec"
)

// ideally runs a job with all that can be done before it begins done before it begins.
func (j *job) ideally(ctx context.Context) (time.Duration, error) {
	f, err := open(ctx)
	if err != nil {
		return 0, err
	}
	defer f.close()
	t := &http.Transport{MaxIdleConnsPerHost: workers}
	defer t.CloseIdleConnections()
	requests := make([][]*http.Request, workers) // of each worker, in turn
	for i, left := 0, j.items; left > 0; i++ {
		r, err := f.request(ctx, min(j.chunk, left))
		if err != nil {
			return 0, err
		}
		left -= j.chunk
		requests[i%workers] = append(requests[i%workers], r)
	}
	begun := time.Now()
	var all errgroup.Group
	for _, own := range requests {
		all.Go(func() error {
			for _, r := range own {
				if err := answered(t, r); err != nil {
					return err
				}
			}
			return nil
		})
	}
	err = all.Wait()
	return time.Since(begun), err
}

// answered sends a request, and checks the answer.
func answered(t *http.Transport, r *http.Request) error {
	resp, err := t.RoundTrip(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	reply, err := codec.DecodeReply(data)
	if err != nil || reply.Err != nil || resp.StatusCode != http.StatusOK {
		return fmt.Errorf("HTTP %d: %.200q: %w", resp.StatusCode, data, err)
	}
	return nil
}

// request is a call of the function for so many items, signed.
func (f *function) request(ctx context.Context, items int) (*http.Request, error) {
	called, _ := lambdapool.DefaultRegistry.Lookup(nap.Name())
	typ, err := codec.TypeOf(reflect.TypeFor[time.Duration]())
	if err != nil {
		return nil, err
	}
	d := item
	args, err := codec.Marshal([]*codec.Type{typ}, []reflect.Value{reflect.ValueOf(&d).Elem()})
	if err != nil {
		return nil, err
	}
	payload, err := codec.EncodeRequest(&codec.Request{ID: "ideal", Func: nap.Name(), Shape: called.Fingerprint(), Items: slices.Repeat([][]byte{args}, items)})
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, f.url+"/2015-03-31/functions/"+f.FunctionName()+"/invocations", bytes.NewReader(payload))
	if err != nil {
		return nil, err
	}
	id, secret := f.Credentials()
	sum := sha256.Sum256(payload)
	creds := aws.Credentials{AccessKeyID: id, SecretAccessKey: secret}
	return r, v4.NewSigner().SignHTTP(ctx, creds, r, hex.EncodeToString(sum[:]), "lambda", "us-east-1", time.Now())
}
