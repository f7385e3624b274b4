package events

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"

	"wasup/internal/message"
	"wasup/internal/session"
)

// Catalog describes the files of incoming messages as the log knows them.
type Catalog struct{ log Table }

// NewCatalog makes a catalog of the files that the log's events carry.
func NewCatalog(log Table) *Catalog { return &Catalog{log} }

// Files are the files of incoming messages: described in the log, and fetched from WhatsApp when they are asked for.
type Files struct {
	Catalog
	door session.Door
	dir  string
}

// scratch begins the names of files that are being read.
const scratch = "incoming-"

// NewFiles makes a Files that fetches into a folder, which must exist. What a process that died left there is deleted.
func NewFiles(log Table, door session.Door, dir string) *Files {
	if left, err := filepath.Glob(filepath.Join(dir, scratch+"*")); err == nil {
		for _, name := range left {
			_ = os.Remove(name) // what cannot be removed now is tried again at the next start
		}
	}
	return &Files{Catalog: Catalog{log}, door: door, dir: dir}
}

// Describe gives what the log says of a file, with its Remote. CodeMediaGone where no event that is kept carries it.
func (c *Catalog) Describe(ctx context.Context, id session.ID, media string) (message.Media, error) {
	event, err := c.log.Media(ctx, id, media)
	if session.CodeOf(err) == session.CodeNotFound {
		return message.Media{}, gone(id)
	}
	if err != nil {
		return message.Media{}, err
	}
	var msg MessageData
	if err := json.Unmarshal(event.Data, &msg); err != nil {
		return message.Media{}, &session.Error{Code: session.CodeInternal, Op: "find media", Session: id, Err: err}
	}
	if msg.Content == nil || msg.Content.Media == nil || event.Remote == nil {
		return message.Media{}, gone(id)
	}
	found := *msg.Content.Media
	found.Remote = event.Remote
	return found, nil
}

func gone(id session.ID) error {
	return &session.Error{
		Code: session.CodeMediaGone, Op: "find media", Session: id, Message: "no event that is kept carries this file",
	}
}

// Fetch downloads a file and gives it, to be read from its beginning. It is deleted when it is closed.
func (f *Files) Fetch(ctx context.Context, id session.ID, file message.Media) (*Fetched, error) {
	to, err := os.CreateTemp(f.dir, scratch+"*")
	if err != nil {
		return nil, &session.Error{Code: session.CodeStoreUnavailable, Op: "fetch media", Session: id, Err: err}
	}
	fetched := &Fetched{File: to}
	if _, err = message.FetchMedia.Ask(ctx, f.door, id, message.Download{File: *file.Remote, To: to}); err == nil {
		_, err = to.Seek(0, 0)
	}
	if err != nil {
		_ = fetched.Close()
		return nil, err
	}
	return fetched, nil
}

// Fetched is a file that was downloaded for one reader.
type Fetched struct{ *os.File }

// Close deletes the file.
func (f *Fetched) Close() error {
	err := f.File.Close()
	_ = os.Remove(f.Name())
	return err
}
