package ratchet

import (
	"context"
	"time"

	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/types"
)

// maxTokens bounds the privacy tokens that a run caches.
const maxTokens = 1000

// tokens implements store.PrivacyTokenStore. Every send looks for the recipient's token; most recipients have none.
type tokens struct{ r *Ratchet }

var _ store.PrivacyTokenStore = tokens{}

func (s tokens) GetPrivacyToken(ctx context.Context, user types.JID) (*store.PrivacyToken, error) {
	r := s.r
	user = user.ToNonAD()
	r.mu.Lock()
	if at := r.mapped.Load(); r.mappedAt != at {
		r.tokens, r.mappedAt = nil, at // a user's token may be stored under the other address (phone number or LID)
		r.changed++
	}
	token, known := r.tokens[user]
	changed := r.changed
	r.mu.Unlock()
	if known {
		return copyOf(token), nil
	}
	token, err := r.read.GetPrivacyToken(ctx, user)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.changed != changed || r.mappedAt != r.mapped.Load() {
		return token, nil // do not cache it: it may be older than what is stored now
	}
	if r.tokens == nil || len(r.tokens) >= maxTokens {
		r.tokens = make(map[types.JID]*store.PrivacyToken)
	}
	r.tokens[user] = copyOf(token)
	return token, nil
}

func copyOf(token *store.PrivacyToken) *store.PrivacyToken {
	if token == nil {
		return nil
	}
	copied := *token
	return &copied
}

func (s tokens) PutPrivacyTokens(ctx context.Context, list ...store.PrivacyToken) error {
	err := s.r.commit(ctx, func(ctx context.Context) error { return s.r.write.PutPrivacyTokens(ctx, list...) })
	s.r.clearTokens()
	return err
}

func (s tokens) DeleteExpiredPrivacyTokens(ctx context.Context, before time.Time) (n int64, err error) {
	err = s.r.commit(ctx, func(ctx context.Context) error {
		n, err = s.r.write.DeleteExpiredPrivacyTokens(ctx, before)
		return err
	})
	s.r.clearTokens()
	return n, err
}

// clearTokens clears the cached tokens and the salt. Reads that are in progress do not cache their results either.
func (r *Ratchet) clearTokens() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tokens, r.salt = nil, nil
	r.changed++
}

// salts implements store.NCTSaltStore. Every send without a token looks for the salt.
type salts struct{ r *Ratchet }

var _ store.NCTSaltStore = salts{}

func (s salts) GetNCTSalt(ctx context.Context) ([]byte, error) {
	s.r.mu.Lock()
	salt, changed := s.r.salt, s.r.changed
	s.r.mu.Unlock()
	if salt != nil {
		return *salt, nil
	}
	read, err := s.r.read.GetNCTSalt(ctx)
	if err != nil {
		return nil, err
	}
	s.r.mu.Lock()
	defer s.r.mu.Unlock()
	if s.r.changed == changed {
		s.r.salt = &read
	}
	return read, nil
}

func (s salts) PutNCTSalt(ctx context.Context, salt []byte) error {
	defer s.r.clearTokens()
	return s.r.commit(ctx, func(ctx context.Context) error { return s.r.write.PutNCTSalt(ctx, salt) })
}

func (s salts) DeleteNCTSalt(ctx context.Context) error {
	defer s.r.clearTokens()
	return s.r.commit(ctx, s.r.write.DeleteNCTSalt)
}

// lids implements store.LIDStore over the container's map. If a mapping cannot be read before a message is decrypted,
// whatsmeow looks up the session under the wrong address. So an error outside of an operation ends receiving.
type lids struct {
	store.LIDStore
	r *Ratchet
}

func (s lids) failed(ctx context.Context, err error) error {
	if err == nil || s.r.operationOf(ctx) != nil {
		return err
	}
	return s.r.fail(ctx, err)
}

func (s lids) GetPNForLID(ctx context.Context, lid types.JID) (types.JID, error) {
	pn, err := s.LIDStore.GetPNForLID(ctx, lid)
	return pn, s.failed(ctx, err)
}

func (s lids) GetLIDForPN(ctx context.Context, pn types.JID) (types.JID, error) {
	lid, err := s.LIDStore.GetLIDForPN(ctx, pn)
	return lid, s.failed(ctx, err)
}

func (s lids) PutLIDMapping(ctx context.Context, lid, pn types.JID) error {
	if s.isMapped(ctx, store.LIDMapping{LID: lid, PN: pn}) {
		return nil
	}
	err := s.LIDStore.PutLIDMapping(ctx, lid, pn)
	s.r.mapped.Add(1)
	return s.failed(ctx, err)
}

func (s lids) PutManyLIDMappings(ctx context.Context, mappings []store.LIDMapping) error {
	err := s.LIDStore.PutManyLIDMappings(ctx, mappings)
	s.r.mapped.Add(1)
	return s.failed(ctx, err)
}

func (s lids) isMapped(ctx context.Context, m store.LIDMapping) bool {
	if m.PN.Server != types.DefaultUserServer || m.LID.Server != types.HiddenUserServer {
		return false
	}
	known, err := s.LIDStore.GetLIDForPN(ctx, m.PN)
	return err == nil && known.User == m.LID.User
}
