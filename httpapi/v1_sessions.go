package httpapi

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"encoding/json"
	"hash/maphash"
	"maps"
	"strings"

	"github.com/gofiber/fiber/v2"

	"wasup/internal/session"
)

// v1Create is POST /v1/sessions.
func v1Create(s *Server, k *call) error {
	var in v1SessionNew
	if err := k.decode(&in); err != nil {
		return err
	}
	settings := session.Settings{Name: in.Name, Metadata: in.Metadata, Proxy: in.Proxy}
	if err := settings.Check(); err != nil {
		return err
	}
	id := session.ID(in.ID)
	if id == "" {
		id = madeUpID()
	}
	ctx, cancel := context.WithTimeout(s.work, s.cfg.StartTimeout)
	defer cancel()
	status, err := s.deps.Slots.Create(ctx, id, settings, in.Start)
	if err != nil {
		return err
	}
	k.Set(fiber.HeaderLocation, "/v1/sessions/"+string(id))
	s.render(k.Ctx, fiber.StatusCreated, s.v1SessionOf(&status))
	return nil
}

// madeUpID is 16 characters that nobody guesses.
func madeUpID() session.ID {
	var random [10]byte
	_, _ = rand.Read(random[:]) // it never fails
	return session.ID(strings.ToLower(base32.StdEncoding.EncodeToString(random[:])))
}

// v1Get is GET /v1/sessions/{id}.
func v1Get(s *Server, k *call) error {
	status, err := s.known(k)
	if err != nil {
		return err
	}
	return s.ok(k.Ctx, s.v1SessionOf(&status))
}

// v1GetStatus is GET /v1/sessions/{id}/status.
func v1GetStatus(s *Server, k *call) error {
	status, err := s.known(k)
	return s.finish(k, status, err)
}

// v1Patch is PATCH /v1/sessions/{id}.
func v1Patch(s *Server, k *call) error {
	ctx, cancel := context.WithTimeout(s.work, s.cfg.StartTimeout)
	defer cancel()
	// What is there is read, merged and written: two patches at the same time must not undo each other.
	done, err := s.patches.enter(ctx, k.id)
	if err != nil {
		return err
	}
	defer done()
	status, err := s.known(k)
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
	if status, err = s.deps.Slots.Update(ctx, k.id, settings); err != nil {
		return err
	}
	return s.ok(k.Ctx, s.v1SessionOf(&status))
}

// merged is the settings with the call's body merged into them, as RFC 7396 says.
func merged(settings session.Settings, k *call) (session.Settings, error) {
	var patch v1SessionPatch
	var given map[string]json.RawMessage // tells a field that is null from one that is absent
	if err := k.decode(&patch); err != nil {
		return settings, err
	}
	if err := k.decode(&given); err != nil {
		return settings, err
	}
	if _, ok := given["name"]; ok {
		settings.Name = orEmpty(patch.Name)
	}
	// Who reads a session, changes its name and writes it back sends the masked proxy; its password would be lost.
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

// v1Delete is DELETE /v1/sessions/{id}.
func v1Delete(s *Server, k *call) error {
	ctx, cancel := context.WithTimeout(s.work, s.cfg.LinkTimeout)
	defer cancel()
	if err := s.deps.Slots.Delete(ctx, k.id); err != nil {
		return err
	}
	k.Status(fiber.StatusNoContent)
	return nil
}

// verb makes the handler of something that is asked of a session that exists.
func verb(do func(s *Server, ctx context.Context, id session.ID) (session.Status, error)) func(*Server, *call) error {
	return func(s *Server, k *call) error {
		if _, err := s.known(k); err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(s.work, s.cfg.StartTimeout)
		defer cancel()
		status, err := do(s, ctx, k.id)
		return s.finish(k, status, err)
	}
}

func v1Start(s *Server, ctx context.Context, id session.ID) (session.Status, error) {
	status, _, err := s.deps.Sessions.Start(ctx, id)
	return status, err
}

func v1Stop(s *Server, ctx context.Context, id session.ID) (session.Status, error) {
	return s.deps.Slots.StopSession(ctx, id)
}

func v1Restart(s *Server, ctx context.Context, id session.ID) (session.Status, error) {
	return s.deps.Slots.Restart(ctx, id)
}

func v1Logout(s *Server, ctx context.Context, id session.ID) (session.Status, error) {
	return s.deps.Slots.Logout(ctx, id)
}

// turns lets one caller at a time through for each session. Sessions that share a turn wait for each other needlessly
// but rarely, and the number of turns is bounded.
type turns struct {
	seed maphash.Seed
	free [64]chan struct{}
}

func newTurns() *turns {
	t := &turns{seed: maphash.MakeSeed()}
	for i := range t.free {
		t.free[i] = make(chan struct{}, 1)
	}
	return t
}

func (t *turns) enter(ctx context.Context, id session.ID) (done func(), err error) {
	turn := t.free[maphash.String(t.seed, string(id))%uint64(len(t.free))]
	select {
	case turn <- struct{}{}:
		return func() { <-turn }, nil
	case <-ctx.Done():
		return nil, &session.Error{Code: session.CodeTimeout, Op: "change a session", Session: id, Err: ctx.Err()}
	}
}
