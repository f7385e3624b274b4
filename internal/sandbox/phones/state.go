package phones

import (
	"encoding/json"
	"fmt"
	"time"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types"

	"wasup/internal/sandbox/accounts"
	"wasup/internal/sandbox/disk"
	"wasup/internal/sandbox/groups"
	"wasup/internal/sandbox/mediacrypt"
	"wasup/internal/sandbox/network"
	"wasup/internal/sandbox/signal"
	"wasup/internal/sandbox/timers"
	"wasup/internal/sandbox/wire"
)

// The prefixes of the keys of phone records.
const (
	KeyPhone   = "p/" // p/LID
	KeyMessage = "m/" // m/LID/LID OF THE SENDER/ID
	KeySent    = "s/" // s/LID/ID
)

// PairingState is the stored part of a phone that is about pairing.
type PairingState struct {
	PasskeyRequired bool   `json:"passkey_required"`
	Passkey         []byte `json:"passkey"`
	PasskeyID       []byte `json:"passkey_id"`
}

type phoneState struct {
	PairingState

	Number  string   `json:"number"`
	Aliases []string `json:"aliases,omitempty"`

	Timers       map[string]timers.Setting `json:"timers,omitempty"`
	LID          string                    `json:"lid"`
	Name         string                    `json:"name"`
	Script       Script                    `json:"script"`
	RawID        uint32                    `json:"raw_id"`
	LastDevice   uint16                    `json:"last_device"`
	LastKeyIndex uint32                    `json:"last_key_index"`
	Devices      []uint16                  `json:"devices"`
	Signal       json.RawMessage           `json:"signal"`
	Delay        time.Duration             `json:"delay"`
	Away         bool                      `json:"away"`
	Held         []heldState               `json:"held"`
}

// heldState is a stanza that waits for a phone that is offline.
type heldState struct {
	Node     []byte           `json:"node"`
	From     string           `json:"from"`
	Device   uint16           `json:"device"`
	Scripted bool             `json:"scripted"`
	Chat     groups.ChatState `json:"chat"`
}

type messageState struct {
	Message Message          `json:"message"`
	Sender  types.JID        `json:"sender"`
	By      string           `json:"by"` // the hidden id of the author
	About   string           `json:"about"`
	Chat    groups.ChatState `json:"chat"`
	Secret  []byte           `json:"secret"`
	Raw     []byte           `json:"raw,omitempty"`
	List    types.JID        `json:"list"`
	// File has the keys of the message's file. The rest of the file's description is in Message.
	File *fileState `json:"file,omitempty"`
}

type fileState struct {
	Key          []byte `json:"key"`
	PlainSHA256  []byte `json:"plain_sha256"`
	SealedSHA256 []byte `json:"sealed_sha256"`
}

type sentState struct {
	Chat      groups.ChatState `json:"chat"`
	Kind      Kind             `json:"kind"`
	Stanza    string           `json:"stanza"`
	Edit      string           `json:"edit"`
	MediaType string           `json:"media_type"`
	Plain     []byte           `json:"plain"`
	Copied    []byte           `json:"copied"`
	Peer      bool             `json:"peer,omitempty"`
	About     string           `json:"about,omitempty"` // the hidden id of the author of the status that a reaction is about
	Masked    []byte           `json:"masked,omitempty"`
}

// Collect emits all records of an account. The phone's own record comes last, after the records that it refers to.
func (p *Phone) Collect(pairing PairingState, emit func(string, any) error) error {
	a := p.Account
	// The ratchets first: every message that they have decrypted is then stored as well.
	sig, err := p.Sig.State()
	if err != nil {
		return err
	}
	state := phoneState{
		PairingState: pairing, Number: a.Number, Aliases: p.Aliases(), Timers: p.timers.Settings(), LID: a.LID, Name: p.Name(), Script: p.Script(), RawID: a.RawID, Signal: sig,
	}
	if state.Held, err = p.collectHeld(); err != nil {
		return err
	}
	state.Delay, state.Away = p.Delay(), !p.Online()
	state.LastDevice, state.LastKeyIndex = p.Net.Dir.LastIDs(a)
	for _, dev := range p.Net.Dir.DevicesOf(a) {
		state.Devices = append(state.Devices, dev.ID)
		if err = dev.Collect(emit); err != nil {
			return err
		}
	}
	if err = p.collectMessages(emit); err != nil {
		return err
	}
	if err = p.collectSent(emit); err != nil {
		return err
	}
	if err = p.appState.sync.Collect(emit); err != nil {
		return err
	}
	if err = p.Net.Profiles.Collect(a, emit); err != nil {
		return err
	}
	return emit(KeyPhone+a.LID, state)
}

func (p *journal) collectMessages(emit func(string, any) error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, message := range p.messages {
		state := messageState{
			Message: *message, Sender: message.sender, By: message.author.LID, About: accounts.LIDOf(message.about),
			Chat: message.chat.State(), Secret: message.secret, Raw: message.raw, List: message.list,
		}
		if file := message.Media; file != nil {
			state.File = &fileState{file.sealed.Key, file.sealed.PlainSHA256, file.sealed.SealedSHA256}
		}
		if err := emit(KeyMessage+p.Account.LID+"/"+message.author.LID+"/"+message.ID, state); err != nil {
			return err
		}
	}
	return nil
}

func (p *sender) collectSent(emit func(string, any) error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, id := range p.order {
		sent, ok := p.sent[id]
		if !ok {
			continue
		}
		state := sentState{sent.chat.State(), sent.kind, sent.stanza, sent.edit, sent.mediaType, sent.plain, sent.copied, sent.peer, accounts.LIDOf(sent.about), sent.masked}
		if err := emit(KeySent+p.Account.LID+"/"+id, state); err != nil {
			return err
		}
	}
	return nil
}

func (p *availability) collectHeld() ([]heldState, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	held := make([]heldState, 0, len(p.held))
	for i := range p.held {
		d := &p.held[i]
		encoded, err := waBinary.Marshal(d.Node)
		if err != nil {
			return nil, fmt.Errorf("encode a waiting stanza: %w", err)
		}
		held = append(held, heldState{encoded, accounts.LIDOf(d.From.Account), d.From.Device, d.From.Scripted, heldChat(d)})
	}
	return held, nil
}

func heldChat(d *accounts.Delivery) groups.ChatState {
	if !d.Group.IsEmpty() {
		return groups.ChatState{Group: d.Group}
	}
	return groups.ChatState{LID: accounts.LIDOf(d.Chat)}
}

// Restore returns a phone, with its devices, from its record. Its account is not in the directory yet.
func Restore(net *network.Network, raw json.RawMessage, records map[string]json.RawMessage) (*Phone, PairingState, error) {
	var state phoneState
	if err := json.Unmarshal(raw, &state); err != nil {
		return nil, state.PairingState, fmt.Errorf("%w: %w", disk.ErrRecord, err)
	}
	if !accounts.ValidNumber(state.Number) || state.LID == "" || !state.Script.Valid() {
		return nil, state.PairingState, fmt.Errorf("%w: number, hidden id or script", disk.ErrRecord)
	}
	sig, err := signal.NewDeviceFromState(state.Signal)
	if err != nil {
		return nil, state.PairingState, err
	}
	p := assemble(Config{Number: state.Number, Aliases: state.Aliases, Name: state.Name, Script: state.Script, Delay: state.Delay}, net, sig, state.RawID)
	p.away, p.timers = state.Away, timers.NewBook(state.Timers)
	devices := make([]*accounts.Device, 0, len(state.Devices))
	for _, id := range state.Devices {
		dev, err := accounts.RestoreDevice(p.Account, state.LID, id, records)
		if err != nil {
			return nil, state.PairingState, fmt.Errorf("device %d: %w", id, err)
		}
		devices = append(devices, dev)
	}
	p.Account.Restore(state.LID, state.LastDevice, state.LastKeyIndex, devices)
	return p, state.PairingState, nil
}

// RestoreMessage adds a message from its record.
func (p *Phone) RestoreMessage(raw json.RawMessage) error {
	var state messageState
	if err := json.Unmarshal(raw, &state); err != nil {
		return fmt.Errorf("%w: %w", disk.ErrRecord, err)
	}
	author := p.Net.Dir.Hidden(state.By)
	in, ok := p.Net.Groups.ChatOf(state.Chat)
	if author == nil || !ok {
		return nil // the author's account, the chat's account or the group was removed
	}
	message := state.Message
	message.sender, message.chat, message.secret, message.raw = state.Sender, in, state.Secret, state.Raw
	message.list, message.author, message.about = state.List, author, p.Net.Dir.Hidden(state.About)
	message.Media = p.restoreMedia(&message, state.File)
	// Not by enter: the records of other messages already have the changes that this one made. The log may still have
	// messages that were dropped.
	p.journal.mu.Lock()
	defer p.journal.mu.Unlock()
	p.add(&message)
	return nil
}

// RestoreSent restores a sent message, which receivers may ask for again.
func (p *Phone) RestoreSent(id string, raw json.RawMessage) error {
	var state sentState
	if err := json.Unmarshal(raw, &state); err != nil {
		return fmt.Errorf("%w: %w", disk.ErrRecord, err)
	}
	if to, ok := p.Net.Groups.ChatOf(state.Chat); ok {
		p.keep(id, sentMessage{
			chat: to, kind: state.Kind, stanza: state.Stanza, edit: state.Edit, mediaType: state.MediaType,
			plain: state.Plain, copied: state.Copied, peer: state.Peer, about: p.Net.Dir.Hidden(state.About), masked: state.Masked,
		})
	}
	return nil
}

// RestoreHeld restores the stanzas that wait for a phone that is offline.
func (p *Phone) RestoreHeld(raw json.RawMessage) error {
	var state phoneState
	if err := json.Unmarshal(raw, &state); err != nil {
		return fmt.Errorf("%w: %w", disk.ErrRecord, err)
	}
	for _, held := range state.Held {
		node, err := wire.DecodeNode(held.Node)
		if err != nil {
			return fmt.Errorf("%w: %w", disk.ErrRecord, err)
		}
		in, ok := p.Net.Groups.ChatOf(held.Chat)
		from := p.Net.Dir.Hidden(held.From)
		if from != nil && ok {
			p.held = append(p.held, accounts.Delivery{Node: *node, From: accounts.Origin{Account: from, Device: held.Device, Scripted: held.Scripted}, Chat: in.Account, Group: held.Chat.Group})
		}
	}
	return nil
}

// restoreMedia returns the file of a restored message with its keys, so that it can be opened.
func (p *Phone) restoreMedia(m *Message, keys *fileState) *Media {
	if m.Media == nil || keys == nil {
		return nil
	}
	file := *m.Media
	file.sealed = mediacrypt.Sealed{Key: keys.Key, PlainSHA256: keys.PlainSHA256, SealedSHA256: keys.SealedSHA256, Length: file.Size}
	file.kind, file.store = shapes[m.Kind.ofFile(&file)].kind, p.Net.Media
	return &file
}
