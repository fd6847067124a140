package replica

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/benbjohnson/litestream"
)

const followEvery = time.Second // how often a standby looks for more

// follow tells a child to keep a file in step with one epoch of a place, instead of the other way
// round.
type follow struct {
	URL   string `json:"url"`
	Epoch int    `json:"epoch"`
	File  string `json:"file"`
}

// run follows until ctx ends. A file that was followed before is taken further.
func (f *follow) run(ctx context.Context) error {
	place, err := Parse(f.URL)
	if err != nil {
		return err
	}
	client, err := place.client(f.Epoch)
	if err != nil {
		return err
	}
	if err := client.Init(ctx); err != nil {
		return err
	}
	options := litestream.NewRestoreOptions()
	options.OutputPath = f.File
	options.Follow, options.FollowInterval = true, followEvery
	return litestream.NewReplicaWithClient(nil, client).Restore(ctx, options)
}

// FollowerFile is the file in which a follower of a database keeps an epoch.
func FollowerFile(database string, epoch int) string {
	return filepath.Join(database+"-standby", folderOf(epoch), "hissa.db")
}

// Follow keeps a file in step with the copy's epoch in a child process, because the file is written
// in place, under SQLite's locks, which don't hold between readers and writers of one process. It
// returns when ctx ends, without an error, or when the child does.
func (p *Place) Follow(ctx context.Context, epoch int, file string, command func() *exec.Cmd) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	cmd := command()
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	err = json.NewEncoder(in).Encode(order{Follow: &follow{p.String(), epoch, file}})
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case exit := <-ended:
		return errors.Join(fmt.Errorf("following the copy ended: %w", errors.Join(err, exit)), in.Close())
	case <-ctx.Done():
	}
	_ = in.Close() // the child ends
	select {
	case <-ended:
	case <-time.After(lastSync):
		_ = cmd.Process.Kill()
		<-ended
	}
	return nil
}

// Caught reports whether a followed file holds all that is in its epoch now.
func (p *Place) Caught(ctx context.Context, epoch int, file string) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	have, err := litestream.ReadTXIDFile(file)
	if err != nil {
		return false, err
	}
	client, err := p.client(epoch)
	if err != nil {
		return false, err
	}
	if err := client.Init(ctx); err != nil {
		return false, err
	}
	r := litestream.NewReplicaWithClient(nil, client)
	for level := range litestream.SnapshotLevel + 1 {
		newest, err := r.MaxLTXFileInfo(ctx, level)
		if err != nil || newest.MaxTXID > have {
			return false, err
		}
	}
	return have > 0, nil
}
