package sessions

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"encoding/json"
	"maps"
	"strings"

	"github.com/gofiber/fiber/v2"

	"wasup/httpapi/rest"
	"wasup/httpapi/wire"
	"wasup/internal/session"
)

// Slots is the administration of sessions. Every method is safe for concurrent use; errors carry a session.Code.
type Slots interface {
	// Create makes a session. The error has session.CodeExists if the id is taken.
	Create(ctx context.Context, id session.ID, settings session.Settings, start bool) (session.Status, error)
	// List returns a snapshot of every session, sorted by id.
	List() []session.Status
	// Update replaces a session's settings.
	Update(ctx context.Context, id session.ID, settings session.Settings) (session.Status, error)
	// Delete logs a session out and deletes everything it stores. It is no error if there is no such session. The state
	// says whether the phone still lists the device.
	Delete(ctx context.Context, id session.ID) (session.UnlinkState, error)
	StopSession(ctx context.Context, id session.ID) (session.Status, error)
	Restart(ctx context.Context, id session.ID) (session.Status, error)
	Logout(ctx context.Context, id session.ID) (session.Status, error)
}

// Starter starts sessions.
type Starter interface {
	// Start starts the session and does not wait until it is connected. already reports that it ran before the call.
	Start(ctx context.Context, id session.ID) (status session.Status, already bool, err error)
}

// Resource serves the operations of this package.
type Resource struct {
	host    *rest.Host
	starter Starter
	slots   Slots
	patches *keyedLocks
}

// New makes the resource.
func New(host *rest.Host, starter Starter, slots Slots) *Resource {
	return &Resource{host: host, starter: starter, slots: slots, patches: newKeyedLocks()}
}

// create is POST /v1/sessions.
func (r *Resource) create(k *rest.Call) error {
	var in v1SessionNew
	if err := k.Decode(&in); err != nil {
		return err
	}
	settings := session.Settings{Name: in.Name, Metadata: in.Metadata, Proxy: in.Proxy}
	if err := settings.Check(); err != nil {
		return err
	}
	id := session.ID(in.ID)
	if id == "" {
		id = randomID()
	}
	ctx, cancel := context.WithTimeout(r.host.Life.Work(), r.host.StartTimeout)
	defer cancel()
	status, err := r.slots.Create(ctx, id, settings, in.Start)
	if err != nil {
		return err
	}
	k.Set(fiber.HeaderLocation, "/v1/sessions/"+string(id))
	k.Render(fiber.StatusCreated, wire.SessionOf(&status, r.host.Now()))
	return nil
}

// randomID returns a random id of 16 characters that cannot be guessed.
func randomID() session.ID {
	var random [10]byte
	_, _ = rand.Read(random[:]) // it never fails
	return session.ID(strings.ToLower(base32.StdEncoding.EncodeToString(random[:])))
}

// get is GET /v1/sessions/{id}.
func (r *Resource) get(k *rest.Call) error {
	return k.OKSession(k.Known())
}

// getStatus is GET /v1/sessions/{id}/status.
func (r *Resource) getStatus(k *rest.Call) error {
	return k.OKStatus(k.Known())
}

// patch is PATCH /v1/sessions/{id}.
func (r *Resource) patch(k *rest.Call) error {
	ctx, cancel := context.WithTimeout(r.host.Life.Work(), r.host.StartTimeout)
	defer cancel()
	// The settings are read, merged and written under a lock, so that two patches at the same time do not undo each
	// other.
	done, err := r.patches.lock(ctx, k.ID)
	if err != nil {
		return err
	}
	defer done()
	status, err := k.Known()
	if err != nil {
		return err
	}
	settings, err := merged(status.Settings, k)
	if err != nil {
		return err
	}
	if err := settings.Check(); err != nil {
		return err
	}
	return k.OKSession(r.slots.Update(ctx, k.ID, settings))
}

// merged returns the settings with the call's body merged into them (RFC 7396).
func merged(settings session.Settings, k *rest.Call) (session.Settings, error) {
	var patch v1SessionPatch
	var given map[string]json.RawMessage // shows whether a field is null or absent
	if err := k.Decode(&patch); err != nil {
		return settings, err
	}
	if err := k.Decode(&given); err != nil {
		return settings, err
	}
	if _, ok := given["name"]; ok {
		settings.Name = orEmpty(patch.Name)
	}
	// A caller that reads a session, changes its name and writes it back sends the masked proxy. That must not replace
	// the proxy, because its password would be lost.
	if _, ok := given["proxy"]; ok && (settings.Proxy == "" || orEmpty(patch.Proxy) != session.MaskProxy(settings.Proxy)) {
		settings.Proxy = orEmpty(patch.Proxy)
	}
	if _, ok := given["metadata"]; ok {
		before := settings.Metadata
		settings.Metadata = make(map[string]string, len(before))
		if patch.Metadata != nil {
			maps.Copy(settings.Metadata, before)
		}
		for key, value := range patch.Metadata {
			if value == nil {
				delete(settings.Metadata, key)
			} else {
				settings.Metadata[key] = *value
			}
		}
	}
	return settings, nil
}

func orEmpty(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// headerUnlink says in an answer without a body whether the phone still lists the device.
const headerUnlink = "X-Unlink"

// delete is DELETE /v1/sessions/{id}.
func (r *Resource) delete(k *rest.Call) error {
	ctx, cancel := context.WithTimeout(r.host.Life.Work(), r.host.LinkTimeout)
	defer cancel()
	left, err := r.slots.Delete(ctx, k.ID)
	if err != nil {
		return err
	}
	if left != "" {
		k.Set(headerUnlink, string(left))
	}
	k.Status(fiber.StatusNoContent)
	return nil
}

// verb makes the handler of a verb for an existing session.
func (r *Resource) verb(do func(ctx context.Context, id session.ID) (session.Status, error)) func(*rest.Call) error {
	return func(k *rest.Call) error {
		if _, err := k.Known(); err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(r.host.Life.Work(), r.host.StartTimeout)
		defer cancel()
		status, err := do(ctx, k.ID)
		return k.OKStatus(status, err)
	}
}

func (r *Resource) start(ctx context.Context, id session.ID) (session.Status, error) {
	status, _, err := r.starter.Start(ctx, id)
	return status, err
}

func (r *Resource) stop(ctx context.Context, id session.ID) (session.Status, error) {
	return r.slots.StopSession(ctx, id)
}

func (r *Resource) restart(ctx context.Context, id session.ID) (session.Status, error) {
	return r.slots.Restart(ctx, id)
}

func (r *Resource) logout(ctx context.Context, id session.ID) (session.Status, error) {
	return r.slots.Logout(ctx, id)
}
