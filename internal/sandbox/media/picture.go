package media

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	waBinary "go.mau.fi/whatsmeow/binary"

	"wasup/internal/sandbox/disk"
)

// Picture is the picture of an account or a group.
type Picture struct {
	ID   string `json:"id"`
	Path string `json:"path"`
	Hash []byte `json:"hash"`
}

// State returns the picture as it is stored on disk, nil if there is none.
func (p Picture) State() *Picture {
	if p.ID == "" {
		return nil
	}
	return &p
}

// RestorePicture returns a picture from its stored state and marks its file as shown.
func (m *Store) RestorePicture(state *Picture) Picture {
	if state == nil {
		return Picture{}
	}
	m.Show(state.Path, true)
	return *state
}

// SecretState returns the key that signs the secrets of uploads, as it is stored on disk.
func (m *Store) SecretState() []byte { return m.secret[:] }

// RestoreSecret sets the key that signs the secrets of uploads, so that secrets from before a restart stay valid.
func (m *Store) RestoreSecret(raw json.RawMessage) error {
	var secret []byte
	if err := json.Unmarshal(raw, &secret); err != nil || len(secret) != len(m.secret) {
		return fmt.Errorf("%w: the secret of uploads", disk.ErrRecord)
	}
	copy(m.secret[:], secret)
	return nil
}

// ConnNode returns the stanza that tells a client where to upload files, with the secret that lets it.
func (m *Store) ConnNode(number string) waBinary.Node {
	return waBinary.Node{
		Tag: "media_conn",
		Attrs: waBinary.Attrs{
			"auth":        m.auth(number, time.Now().Add(mediaAuthTTL)),
			"ttl":         strconv.Itoa(int(mediaTTL.Seconds())),
			"auth_ttl":    strconv.Itoa(int(mediaAuthTTL.Seconds())),
			"max_buckets": "12",
		},
		Content: []waBinary.Node{{Tag: "host", Attrs: waBinary.Attrs{
			"hostname":              m.Host(),
			"type":                  "primary",
			"maxContentLengthBytes": strconv.FormatInt(m.maxFile, 10),
		}}},
	}
}
