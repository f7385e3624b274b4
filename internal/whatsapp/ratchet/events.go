package ratchet

import (
	"context"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/util/keys"
)

// eventBuffer implements store.EventBuffer: decrypted texts that are not handled yet, and sent texts that recipients
// may ask for again.
type eventBuffer struct{ r *Ratchet }

var _ store.EventBuffer = eventBuffer{}

// GetBufferedEvent is whatsmeow's first call for a ciphertext. It fails once the run can receive nothing more.
func (s eventBuffer) GetBufferedEvent(ctx context.Context, hash [32]byte) (*store.BufferedEvent, error) {
	if err := s.r.failure(); err != nil {
		return nil, err
	}
	event, err := s.r.read.GetBufferedEvent(ctx, hash)
	if err != nil {
		return nil, s.r.fail(ctx, err)
	}
	return event, nil
}

func (s eventBuffer) PutBufferedEvent(ctx context.Context, hash [32]byte, plaintext []byte, at time.Time) error {
	event := bufferedEvent{hash: hash, plaintext: plaintext, at: at}
	return s.r.stageOrPut(ctx, func(c *changes) { c.buffered = append(c.buffered, event) })
}

// DoDecryptionTxn runs a decryption, from loading the session to the commit, under the correspondent's lock. There is
// no database transaction meanwhile: a decryption that waits for a send to the same chat must not block all other
// writers.
func (s eventBuffer) DoDecryptionTxn(ctx context.Context, decrypt func(context.Context) error) error {
	within, o := s.r.begin(ctx, true)
	defer o.end()
	err := decrypt(within)
	if failure := o.failure(); failure != nil {
		return s.r.fail(ctx, failure)
	}
	if err != nil {
		return err
	}
	if err := o.commit(ctx); err != nil {
		return s.r.fail(ctx, err)
	}
	return nil
}

func (s eventBuffer) ClearBufferedEventPlaintext(_ context.Context, hash [32]byte) error {
	s.r.sweeper.add(func(ctx context.Context) error { return s.r.write.ClearBufferedEventPlaintext(ctx, hash) })
	return nil
}

// DeleteOldBufferedHashes deletes entries of all devices. Every client calls it at its first message, but once in
// sweepEvery is enough.
func (s eventBuffer) DeleteOldBufferedHashes(context.Context) error {
	if s.r.sweeper.due() {
		s.r.sweeper.add(s.r.write.DeleteOldBufferedHashes)
	}
	return nil
}

func (s eventBuffer) GetOutgoingEvent(ctx context.Context, chat, altChat types.JID, id types.MessageID) (string, []byte, error) {
	return s.r.read.GetOutgoingEvent(ctx, chat, altChat, id)
}

func (s eventBuffer) AddOutgoingEvent(ctx context.Context, chat types.JID, id types.MessageID, format string, plaintext []byte) error {
	event := outgoingEvent{chat: chat, id: id, format: format, plaintext: plaintext}
	return s.r.stageOrPut(ctx, func(c *changes) { c.outgoing = append(c.outgoing, event) })
}

// DeleteOldOutgoingEvents runs once a run. whatsmeow calls it at every send.
func (s eventBuffer) DeleteOldOutgoingEvents(context.Context) error {
	s.r.mu.Lock()
	first := !s.r.pruned
	s.r.pruned = true
	s.r.mu.Unlock()
	if first {
		s.r.sweeper.add(s.r.write.DeleteOldOutgoingEvents)
	}
	return nil
}

// stageOrPut adds a change to the operation of ctx, or commits it at once if there is none.
func (r *Ratchet) stageOrPut(ctx context.Context, change func(*changes)) error {
	if o := r.operationOf(ctx); o != nil {
		o.stage(change)
		return nil
	}
	var c changes
	change(&c)
	if err := r.put(ctx, &c); err != nil {
		return r.fail(ctx, err)
	}
	return nil
}

// secrets implements store.MsgSecretStore.
type secrets struct{ r *Ratchet }

var _ store.MsgSecretStore = secrets{}

// PutMessageSecrets leaves out messages whose id PostgreSQL cannot store: the sender chose the id, and a database that
// refuses it is no database that fails.
func (s secrets) PutMessageSecrets(ctx context.Context, inserts []store.MessageSecretInsert) error {
	inserts = slices.DeleteFunc(slices.Clone(inserts), func(one store.MessageSecretInsert) bool {
		return !utf8.ValidString(one.ID) || strings.ContainsRune(one.ID, 0)
	})
	if len(inserts) == 0 {
		return nil
	}
	return s.r.stageOrPut(ctx, func(c *changes) { c.secrets = append(c.secrets, inserts...) })
}

func (s secrets) PutMessageSecret(ctx context.Context, chat, sender types.JID, id types.MessageID, secret []byte) error {
	return s.PutMessageSecrets(ctx, []store.MessageSecretInsert{{Chat: chat, Sender: sender, ID: id, Secret: secret}})
}

func (s secrets) GetMessageSecret(ctx context.Context, chat, sender types.JID, id types.MessageID) ([]byte, types.JID, error) {
	return s.r.read.GetMessageSecret(ctx, chat, sender, id)
}

// preKeys implements store.PreKeyStore.
type preKeys struct {
	store.PreKeyStore
	r *Ratchet
}

func (s preKeys) GetPreKey(ctx context.Context, id uint32) (*keys.PreKey, error) {
	key, err := s.r.read.GetPreKey(ctx, id)
	if o := s.r.operationOf(ctx); err != nil && o != nil {
		return nil, o.fail(err)
	}
	return key, err
}

func (s preKeys) RemovePreKey(ctx context.Context, id uint32) error {
	return s.r.stageOrPut(ctx, func(c *changes) { c.usedPreKeys = append(c.usedPreKeys, id) })
}
