package replica

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/benbjohnson/litestream"
	"github.com/superfly/ltx"
)

// looked is in how many of the newest files of a copy a page is looked for. Hardly any transaction books
// nothing, and those that the mark doesn't know are of a few seconds.
const looked = 500

// NotOlder makes sure that the books hold what is in the copy, else the error is an *OlderError. The mark alone
// doesn't say it: it is some seconds behind when its writer was killed, and what was acknowledged in these lies only
// in the copy.
//
// What the last sync of all brought is left out. Litestream reads the journal itself, and copies a batch that a
// writer was killed in before SQLite took it for committed: nobody was answered about it, and the books never had it.
func (p *Place) NotOlder(ctx context.Context, mark *Mark, books Books) error {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	page, err := books.HeadPage(ctx)
	if err != nil {
		return err
	}
	content, at, err := p.pageBefore(ctx, mark.Epoch, page)
	if err != nil {
		return fmt.Errorf("%s can't be read: %w", p, err)
	}
	seq, hash, ok := books.HeadIn(content)
	if !ok {
		return nil // no more than one sync has brought a fact of late
	}
	holds, err := books.Holds(ctx, seq, hash)
	if err != nil || holds {
		return err
	}
	have, _, err := books.Head(ctx)
	end := *mark
	end.Seq, end.Hash, end.At = seq, hex.EncodeToString(hash), at
	return errors.Join(err, &OlderError{p.String(), have, end})
}

// pageBefore is a page of the database as the newest file but one of those of an epoch that have it says, and when
// that was written; nil when there is none.
func (p *Place) pageBefore(ctx context.Context, epoch int, page uint32) ([]byte, time.Time, error) {
	client, err := p.client(epoch)
	if err != nil {
		return nil, time.Time{}, err
	}
	if err := client.Init(ctx); err != nil {
		return nil, time.Time{}, err
	}
	files, err := litestream.FindLTXFiles(ctx, client, 0, false, func(*ltx.FileInfo) (bool, error) { return true, nil })
	if err != nil {
		return nil, time.Time{}, err
	}
	last := true
	for _, f := range slices.Backward(files[max(0, len(files)-looked):]) {
		content, err := pageIn(ctx, client, f, page)
		if err != nil || content != nil && !last {
			return content, f.CreatedAt, err
		}
		last = last && content == nil
	}
	return nil, time.Time{}, nil
}

// pageIn is a page in a file of a copy, nil when the file hasn't it. The pages lie there in their order.
func pageIn(ctx context.Context, client litestream.ReplicaClient, f *ltx.FileInfo, page uint32) ([]byte, error) {
	file, err := client.OpenLTXFile(ctx, f.Level, f.MinTXID, f.MaxTXID, 0, 0)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	d := ltx.NewDecoder(file)
	if err := d.DecodeHeader(); err != nil {
		return nil, err
	}
	content := make([]byte, d.Header().PageSize)
	for {
		var h ltx.PageHeader
		err := d.DecodePage(&h, content)
		switch {
		case errors.Is(err, io.EOF) || err == nil && h.Pgno > page:
			return nil, nil
		case err != nil:
			return nil, err
		case h.Pgno == page:
			return content, nil
		}
	}
}
