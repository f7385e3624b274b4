package events

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"

	"wasup/internal/message"
	"wasup/internal/session"
)

// Catalog finds the descriptions of the files of incoming messages in the log.
type Catalog struct{ log Table }

// NewCatalog makes a catalog over a log.
func NewCatalog(log Table) *Catalog { return &Catalog{log} }

// Files describes the files of incoming messages, and downloads one from WhatsApp when somebody asks for it.
type Files struct {
	Catalog
	door session.Door
	dir  string
}

// scratch is the prefix of the names of temporary files.
const scratch = "incoming-"

// NewFiles makes a Files that downloads into a folder, which must exist. It deletes the temporary files that a killed
// process left there.
func NewFiles(log Table, door session.Door, dir string) *Files {
	if left, err := filepath.Glob(filepath.Join(dir, scratch+"*")); err == nil {
		for _, name := range left {
			_ = os.Remove(name) // the next start tries again
		}
	}
	return &Files{Catalog: Catalog{log}, door: door, dir: dir}
}

// Describe returns the log's description of a file, with its Remote. CodeMediaGone if no event in the log carries it.
func (c *Catalog) Describe(ctx context.Context, id session.ID, media string) (message.Media, error) {
	event, err := c.log.Media(ctx, id, media)
	if session.CodeOf(err) == session.CodeNotFound {
		return message.Media{}, mediaGone(id)
	}
	if err != nil {
		return message.Media{}, err
	}
	var msg MessageData
	if err := json.Unmarshal(event.Data, &msg); err != nil {
		return message.Media{}, &session.Error{Code: session.CodeInternal, Op: "find media", Session: id, Err: err}
	}
	if msg.Content == nil || msg.Content.Media == nil || event.Remote == nil {
		return message.Media{}, mediaGone(id)
	}
	found := *msg.Content.Media
	found.Remote = event.Remote
	return found, nil
}

func mediaGone(id session.ID) error {
	return &session.Error{
		Code: session.CodeMediaGone, Op: "find media", Session: id, Message: "no event that is kept carries this file",
	}
}

// Fetch downloads a file and returns it, at its beginning. Closing it deletes it.
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

// Fetched is a temporary file that was downloaded for one reader.
type Fetched struct{ *os.File }

// Close closes and deletes the file.
func (f *Fetched) Close() error {
	err := f.File.Close()
	_ = os.Remove(f.Name())
	return err
}
