// Package replica keeps a copy of a SQLite database in an object store or a folder while the
// database is written, and brings it back from there.
//
// The copying itself is Litestream's. It runs in a child process of its own (Run), because in the
// process that owns the database Litestream's file handle, when it is closed, would drop SQLite's
// locks. The parent watches the child (Supervisor), starts it anew when it dies or hangs, and asks
// it for a sync.
//
// Beside the copy lies one small object, the mark. It says who writes and until when nobody else
// may, and how far the books in the copy have come. It is only ever replaced by a conditional
// write, so two writers can't both believe that they hold it.
//
// The copy lies in a folder for each epoch. A new epoch begins with a whole copy of the database:
// when another database takes the place over, so that what two may have written at the same time
// never mixes, and whenever the replication before did not end in order. In that case Litestream
// can't know whether SQLite has begun its journal anew in between; going on from what it remembers
// was seen to leave out pages in one of seven trials.
package replica

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/benbjohnson/litestream"
	"github.com/benbjohnson/litestream/file"
	"github.com/benbjohnson/litestream/s3"
)

// askTimeout bounds one question to the place of the copy.
const askTimeout = 10 * time.Second

// Place is where a copy lies.
type Place struct {
	url    string
	shelf  shelf
	client func(epoch int) (litestream.ReplicaClient, error)
}

// Parse reads an address: file:///FOLDER, or s3://BUCKET/PATH with ?region= and, for a store that is
// not Amazon's, &endpoint=. The secret of a bucket comes from the environment (AWS_ACCESS_KEY_ID,
// AWS_SECRET_ACCESS_KEY). Nothing is asked over the network yet.
func Parse(address string) (*Place, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, errors.New("is no URL: " +
			`write "s3://bucket/path?region=ap-south-1" or "file:///var/backups/hissa"`)
	}
	if u.User != nil {
		return nil, errors.New("holds a secret: " +
			"take it out and set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment")
	}
	switch u.Scheme {
	case "file":
		return inFolder(u)
	case "s3":
		return inBucket(address, u)
	}
	return nil, fmt.Errorf("begins with %q: s3:// and file:/// are understood", u.Scheme)
}

func inFolder(u *url.URL) (*Place, error) {
	folder := filepath.FromSlash(u.Path)
	if u.Host != "" || !filepath.IsAbs(folder) || filepath.Clean(folder) == "/" || u.RawQuery != "" {
		return nil, errors.New(`needs a whole path: write it with three slashes, "file:///var/…"`)
	}
	return &Place{
		url:   (&url.URL{Scheme: "file", Path: filepath.Clean(folder)}).String(),
		shelf: folderShelf{filepath.Clean(folder)},
		client: func(epoch int) (litestream.ReplicaClient, error) {
			return file.NewReplicaClient(filepath.Join(folder, folderOf(epoch))), nil
		},
	}, nil
}

func inBucket(address string, u *url.URL) (*Place, error) {
	prefix := strings.Trim(path.Clean(u.Path), "/.")
	if u.Host == "" || prefix == "" {
		return nil, errors.New(`needs a bucket and a path of the shop's own: "s3://bucket/shop"`)
	}
	for name := range u.Query() {
		if strings.Contains(strings.ToLower(name), "key") && name != "sse-kms-key-id" {
			return nil, fmt.Errorf("holds a secret (%s): set it in the environment instead", name)
		}
	}
	open := func() (*s3.ReplicaClient, error) {
		c, err := litestream.NewReplicaClientFromURL(address)
		if err != nil {
			return nil, err
		}
		return c.(*s3.ReplicaClient), nil
	}
	// With AWS_CA_BUNDLE set Litestream's S3 client refuses to start; SSL_CERT_FILE does the same.
	if err := os.Unsetenv("AWS_CA_BUNDLE"); err != nil {
		return nil, err
	}
	c, err := open()
	if err != nil {
		return nil, err
	}
	return &Place{
		url:   address,
		shelf: newBucketShelf(c, path.Join(prefix, markName)),
		client: func(epoch int) (litestream.ReplicaClient, error) {
			c, err := open()
			if err != nil {
				return nil, err
			}
			c.Path = path.Join(prefix, folderOf(epoch))
			return c, nil
		},
	}, nil
}

// String is the address.
func (p *Place) String() string { return p.url }

// folderOf names the folder of an epoch so that a listing sorts them.
func folderOf(epoch int) string { return fmt.Sprintf("%04d", epoch) }

// Mark returns the mark, nil when the place has none: nothing was ever copied there.
func (p *Place) Mark(ctx context.Context) (*Mark, error) {
	m, _, err := p.mark(ctx)
	return m, err
}

func (p *Place) mark(ctx context.Context) (*Mark, string, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	text, version, age, err := p.shelf.get(ctx)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, "", p.bare(ctx)
	}
	if err != nil {
		return nil, "", fmt.Errorf("%s can't be read: %w", p, err)
	}
	m, err := parseMark(text)
	if err != nil {
		return nil, "", fmt.Errorf("%s in %s is not Hissa's (%w): "+
			"set replica.url to a path that nothing else writes to", markName, p, err)
	}
	m.aged(age)
	return m, version, nil
}

// bare makes sure that a place without a mark holds nothing else: to begin a copy among the files of
// another would spoil both.
func (p *Place) bare(ctx context.Context) error {
	any, err := p.shelf.others(ctx)
	if err != nil {
		return fmt.Errorf("%s can't be read: %w", p, err)
	}
	if any {
		return fmt.Errorf("%s holds files but no %s: they are somebody else's, or the mark was "+
			"removed: set replica.url to a path of its own", p, markName)
	}
	return nil
}

// writeMark replaces the mark of a version, or makes the first when version is "".
func (p *Place) writeMark(ctx context.Context, m Mark, version string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	next, err := p.shelf.put(ctx, m.text(), version)
	if err != nil && !errors.Is(err, errMoved) {
		err = fmt.Errorf("%s can't be written: %w", p, err)
	}
	return next, err
}
