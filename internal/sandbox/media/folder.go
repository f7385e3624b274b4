package media

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"wasup/internal/sandbox/disk"
)

const (
	// mediaFolder is a folder in the state folder. It has one file for each upload: the length of its description (four
	// bytes), the description as JSON, and the bytes as they were uploaded.
	mediaFolder = "media"
	// unfinished is the suffix of a file that is still being written.
	unfinished = ".new"
	// maxHeader bounds the size of a description, in bytes.
	maxHeader  = 64 << 10
	lengthSize = 4
)

var mediaName = regexp.MustCompile(`^[0-9A-F]{24}$`)

// describedMedia is the description of an upload on disk.
type describedMedia struct {
	File

	SHA256 []byte `json:"sha256"`
}

var errMediaFile = errors.New("not a media file of the sandbox, or incomplete")

// OpenFolder loads the files that an earlier process stored in the state folder, and stores new ones there. Files that
// cannot be read are skipped.
func (m *Store) OpenFolder(state string, now time.Time) error {
	path := filepath.Join(state, mediaFolder)
	if err := os.MkdirAll(path, 0o700); err != nil {
		return err
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.folder = path
	for _, entry := range entries {
		switch name := entry.Name(); {
		case strings.HasSuffix(name, unfinished):
			// The uploader got no answer, so the file can be removed.
			m.erase(name)
		case mediaName.MatchString(name):
			file, err := readMediaFile(filepath.Join(path, name))
			if err != nil {
				m.log.Warn("an uploaded file is lost", "file", name, "err", err)
				continue
			}
			m.enter(file)
		}
	}
	slices.SortFunc(m.order, func(a, b *Stored) int {
		return cmp.Or(a.Uploaded.Compare(b.Uploaded), cmp.Compare(a.ID, b.ID))
	})
	return nil
}

// readMediaFile reads the description of a file and checks that the file is complete.
func readMediaFile(path string) (*Stored, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }() // it is only read
	described, begins, err := readDescription(file)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	loaded := &Stored{File: described.File}
	copy(loaded.sum[:], described.SHA256)
	if described.ID != filepath.Base(path) || described.Size < 0 || len(described.SHA256) != len(loaded.sum) || info.Size() != begins+loaded.storedSize() {
		return nil, errMediaFile
	}
	return loaded, nil
}

// readDescription reads the description at the beginning of a file. It also returns the offset at which the bytes of
// the upload begin.
func readDescription(r io.Reader) (described describedMedia, begins int64, err error) {
	var header [lengthSize]byte
	if _, err = io.ReadFull(r, header[:]); err != nil {
		return described, 0, errMediaFile
	}
	length := binary.BigEndian.Uint32(header[:])
	if length > maxHeader {
		return described, 0, errMediaFile
	}
	raw := make([]byte, length)
	if _, err = io.ReadFull(r, raw); err != nil || json.Unmarshal(raw, &described) != nil {
		return described, 0, errMediaFile
	}
	return described, lengthSize + int64(length), nil
}

// write writes a file to the folder and replaces an older one of the same name atomically.
func (m *Store) write(file *Stored, data []byte) error {
	failed := func(err error) error { return fmt.Errorf("sandbox: store a file: %w", err) }
	described, err := json.Marshal(describedMedia{file.File, file.sum[:]})
	if err != nil {
		return failed(err)
	}
	path := filepath.Join(m.folder, file.ID)
	out, err := os.OpenFile(path+unfinished, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return failed(err)
	}
	header := binary.BigEndian.AppendUint32(nil, uint32(len(described)))
	_, err = out.Write(append(header, described...))
	if err == nil {
		_, err = out.Write(data)
	}
	if err == nil {
		err = out.Sync()
	}
	if err = errors.Join(err, out.Close()); err == nil {
		err = os.Rename(path+unfinished, path)
	}
	if err != nil {
		m.erase(file.ID + unfinished)
		return failed(err)
	}
	return disk.SyncFolder(m.folder)
}

// erase removes a file from the folder, if there is a folder.
func (m *Store) erase(name string) {
	if m.folder == "" {
		return
	}
	if err := os.Remove(filepath.Join(m.folder, name)); err != nil && !errors.Is(err, os.ErrNotExist) {
		m.log.Error("a file was not removed", "file", name, "err", err)
	}
}

// mediaReader reads the bytes of an upload.
type mediaReader struct {
	io.ReadSeeker
	io.Closer
}

// open returns a reader of a file's bytes. It fails with ErrUnknown if the file has been removed meanwhile.
func (m *Store) open(file *Stored) (mediaReader, error) {
	if m.folder == "" {
		return mediaReader{bytes.NewReader(file.data), io.NopCloser(nil)}, nil
	}
	opened, err := os.Open(filepath.Join(m.folder, file.ID))
	if errors.Is(err, os.ErrNotExist) {
		return mediaReader{}, fmt.Errorf("%w: %s", ErrUnknown, file.ID) // removed meanwhile to make room
	}
	if err != nil {
		return mediaReader{}, fmt.Errorf("sandbox: open a file: %w", err)
	}
	described, begins, err := readDescription(opened)
	if err != nil {
		_ = opened.Close() // it was only read
		return mediaReader{}, fmt.Errorf("sandbox: open a file: %w", err)
	}
	return mediaReader{io.NewSectionReader(opened, begins, described.storedSize()), opened}, nil
}

// Bytes returns the bytes of a file. It fails with ErrUnknown if the file has been removed meanwhile.
func (m *Store) Bytes(file *Stored) ([]byte, error) {
	content, err := m.open(file)
	if err != nil {
		return nil, err
	}
	defer func() { _ = content.Close() }() // it is only read
	data, err := io.ReadAll(content)
	if err != nil {
		return nil, fmt.Errorf("sandbox: read a file: %w", err)
	}
	return data, nil
}
