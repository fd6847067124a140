package replica

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"slices"
	"syscall"
	"time"

	"github.com/benbjohnson/litestream"
)

// ErrNone says that nothing was ever copied to a place.
var ErrNone = errors.New("there is no copy")

// Restore writes the database as it was at a time, the zero time for the newest there is, to a new
// file, and checks its form. ErrNone when the place is empty. It does not look at the books: whether
// they hold what the mark promises is for the caller to see.
func (p *Place) Restore(ctx context.Context, at time.Time, to string) (*Mark, error) {
	mark, err := p.Mark(ctx)
	if err != nil {
		return nil, err
	}
	if mark == nil {
		return nil, ErrNone
	}
	for _, epoch := range mark.epochs() {
		err = p.restore(ctx, epoch, at, to)
		if !tooEarly(err) {
			return mark, err
		}
	}
	if at.IsZero() && mark.Seq == 0 {
		return nil, ErrNone // it was begun, and lost before the first state was whole
	}
	return nil, err // an epoch may reach back further than the one after it, but none does
}

// Wanting reports whether an error of Restore, or of looking at what it brought, is a fault of the copy: not of
// the network, nor of this machine's disk.
func Wanting(err error) bool {
	var network net.Error
	var disk syscall.Errno
	switch {
	case noBucket(err):
		return false
	case errors.Is(err, fs.ErrNotExist) || statusOf(err) == http.StatusNotFound:
		return true // a file of it
	case errors.As(err, &network), errors.As(err, &disk), statusOf(err) != 0,
		errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return false
	}
	return err != nil
}

// epochs lists the newest first.
func (m *Mark) epochs() []int {
	list := []int{m.Epoch}
	for _, p := range slices.Backward(m.Past) {
		list = append(list, p.Epoch)
	}
	return list
}

// tooEarly reports whether an epoch did not reach back to the time.
func tooEarly(err error) bool {
	return errors.Is(err, litestream.ErrTxNotAvailable) || errors.Is(err, litestream.ErrNoSnapshots)
}

func (p *Place) restore(ctx context.Context, epoch int, at time.Time, to string) error {
	client, err := p.client(epoch)
	if err != nil {
		return err
	}
	if err := client.Init(ctx); err != nil {
		return err
	}
	options := litestream.NewRestoreOptions()
	options.OutputPath, options.Timestamp = to, at
	options.IntegrityCheck = litestream.IntegrityCheckFull
	err = litestream.NewReplicaWithClient(nil, client).Restore(ctx, options)
	if tooEarly(err) {
		return fmt.Errorf("%s holds no copy of that time: %w", p, err)
	}
	if err != nil {
		return fmt.Errorf("the copy in %s can't be restored: %w", p, err)
	}
	return os.Chmod(to, 0o600)
}
