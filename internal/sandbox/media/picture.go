package media

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	waBinary "go.mau.fi/whatsmeow/binary"

	"wasup/internal/sandbox/disk"
)

// Picture is a profile picture or the one of a group.
type Picture struct {
	ID   string `json:"id"`
	Path string `json:"path"`
	Hash []byte `json:"hash"`
}

// State is the picture as it is kept, nil when there is none.
func (p Picture) State() *Picture {
	if p.ID == "" {
		return nil
	}
	return &p
}

// RestorePicture brings a picture back from its state.
func (m *Store) RestorePicture(state *Picture) Picture {
	if state == nil {
		return Picture{}
	}
	m.Show(state.Path, true)
	return *state
}

// SecretState is what clients authorise their uploads with, as it is kept.
func (m *Store) SecretState() []byte { return m.secret[:] }

// RestoreSecret brings back what clients authorise their uploads with.
func (m *Store) RestoreSecret(raw json.RawMessage) error {
	var secret []byte
	if err := json.Unmarshal(raw, &secret); err != nil || len(secret) != len(m.secret) {
		return fmt.Errorf("%w: the secret of uploads", disk.ErrRecord)
	}
	copy(m.secret[:], secret)
	return nil
}

// ConnNode tells a device where to upload files, and the secret to do so.
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
