package local

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"

	"github.com/lambdapool/lambdapool/backend/local/internal/keep"
	"github.com/lambdapool/lambdapool/backend/local/internal/service"
	"github.com/lambdapool/lambdapool/backend/local/internal/store"
)

// openData takes the directory of WithData, and makes it, and those in it, where there are
// none. Without a path it returns nil: nothing is kept. The caller unlocks it.
func openData(path string, dirs ...string) (*keep.Dir, error) {
	if path == "" {
		return nil, nil //nolint:nilnil // it is how nothing is kept
	}
	d, err := keep.Open(path)
	if err != nil {
		return nil, fmt.Errorf("data: %w", err)
	}
	if err := d.Lock(); err != nil {
		return nil, fmt.Errorf("data %s: %w", path, err)
	}
	err = d.Make(dirs...)
	if err == nil {
		err = d.DropUnfinished()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("data: %w", err), d.Unlock())
	}
	return d, nil
}

// addressFile is where a directory says at which address the process before this one listened.
const addressFile = "address"

// listen listens at address. If that leaves the port open, it is the one of the process before this one, if nobody else has it by now: links that
// functions were given in their arguments lead there.
func listen(data *keep.Dir, address string) (net.Listener, error) {
	var config net.ListenConfig
	if data == nil || address != anyPort {
		return config.Listen(context.Background(), "tcp4", address)
	}
	path := data.Path(addressFile)
	if was, err := os.ReadFile(path); err == nil {
		if at, err := netip.ParseAddrPort(string(was)); err == nil && at.Addr().IsLoopback() {
			if l, err := config.Listen(context.Background(), "tcp4", at.String()); err == nil {
				return l, nil
			}
		}
	}
	l, err := config.Listen(context.Background(), "tcp4", address)
	if err != nil {
		return nil, err
	}
	if err := data.Write(addressFile, []byte(l.Addr().String())); err != nil {
		return nil, errors.Join(fmt.Errorf("data: %w", err), l.Close())
	}
	return l, nil
}

// restoreQueue has the events run that waited, or ran, when the process before this one
// ended.
func (b *Backend) restoreQueue() {
	all, err := service.KeptEvents(b.data)
	for _, e := range all {
		e.Payload = store.Relinked(e.Payload, b.endpoint)
		fn, _, refused := b.resolve(e.Function())
		if refused != nil { // there are fewer shards than there were, or it is called otherwise
			fn = b.fns[0]
		}
		fn.Restore(e, nil)
	}
	if err != nil { // the others are worth more than the broken one
		b.cfg.logger.Error("events not restored", slog.Any("error", err))
	}
}
