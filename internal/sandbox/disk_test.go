package sandbox_test

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"hash/crc32"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"go.mau.fi/whatsmeow/types/events"

	"wasup/internal/sandbox"
	"wasup/internal/sandbox/disk"
	"wasup/internal/sandbox/phones"
)

func closeServer(t *testing.T, server *sandbox.Server) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := server.Close(ctx); err != nil {
		t.Fatal(err)
	}
}

func phoneOf(t *testing.T, server *sandbox.Server, number string) *sandbox.Phone {
	t.Helper()
	phone, ok := server.Phone(number)
	if !ok {
		t.Fatal("the server does not know the phone any more")
	}
	return phone
}

// settledChat links a client to a server with state and lets it chat with a phone, so that the ratchets advance.
func settledChat(t *testing.T, folder string) (server *sandbox.Server, own, peer *sandbox.Phone, client *device) {
	t.Helper()
	server = newServer(t, sandbox.Config{State: folder})
	own, peer = newPhone(t, server, phones.ScriptSilent), newPhone(t, server, phones.ScriptEcho)
	client = newDevice(t, server)
	client.pair(own)
	from := client.mark()
	client.sendText(peer.JID(), "before")
	wait(client, from, func(m *events.Message) bool { return !m.Info.IsFromMe && m.Message.GetConversation() == "before" })
	return server, own, peer, client
}

// goesOn checks that a client and a phone can decrypt each other's messages after a restart of the server.
func goesOn(t *testing.T, server *sandbox.Server, dsn, own, peer string) {
	t.Helper()
	client := openDevice(t, server, dsn)
	client.connect()
	wait(client, 0, func(m *events.Message) bool { return m.Message.GetConversation() == "while it was away" })
	from := client.mark()
	other := phoneOf(t, server, peer)
	client.sendText(other.JID(), "after")
	wait(client, from, func(m *events.Message) bool { return !m.Info.IsFromMe && m.Message.GetConversation() == "after" })
	peerSends(t, other, phoneOf(t, server, own), "and this way")
	wait(client, from, func(m *events.Message) bool { return m.Message.GetConversation() == "and this way" })
	waitText(t, phoneOf(t, server, own), "and this way")
	if n := server.Counters(); n.Retries != 0 || n.KeyReuses != 0 || n.Registrations != 0 {
		t.Errorf("%d messages had to be sent again, %d keys were used twice, %d clients registered", n.Retries, n.KeyReuses, n.Registrations)
	}
	for text, want := range map[string]int{"before": 2, "while it was away": 1, "after": 2} {
		got := 0
		for _, message := range other.Messages() {
			if message.Text == text {
				got++
			}
		}
		if got != want {
			t.Errorf("the phone has %q %d times, expected %d", text, got, want)
		}
	}
}

func TestAServerWithStateGoesOnAfterItsOwnRestart(t *testing.T) {
	folder := t.TempDir()
	server, own, peer, client := settledChat(t, folder)
	client.cli.Disconnect()
	peerSends(t, peer, own, "while it was away")
	keys := peer.Name()
	closeServer(t, server)
	server = newServer(t, sandbox.Config{State: folder})
	goesOn(t, server, client.dsn, own.Number(), peer.Number())
	if got := phoneOf(t, server, peer.Number()); got.Name() != keys || got.Script() != phones.ScriptEcho || got.LID() != peer.LID() {
		t.Errorf("the phone came back as %s, %s, %s", got.Name(), got.Script(), got.LID())
	}
	// Restart again, from the log that the second server has compacted.
	closeServer(t, server)
	server = newServer(t, sandbox.Config{State: folder})
	if devices := phoneOf(t, server, own.Number()).Devices(); len(devices) != 1 {
		t.Errorf("the phone lists %+v", devices)
	}
}

func TestAKilledServerGoesOnFromItsLastSave(t *testing.T) {
	folder, copied := t.TempDir(), t.TempDir()
	server, own, peer, client := settledChat(t, folder)
	client.cli.Disconnect()
	peerSends(t, peer, own, "while it was away")
	waitText(t, own, "while it was away")
	if err := server.SaveState(); err != nil {
		t.Fatal(err)
	}
	// A killed process may leave an incomplete record at the end of the file.
	raw, err := os.ReadFile(filepath.Join(folder, sandbox.StateFile))
	if err != nil {
		t.Fatal(err)
	}
	torn := append(raw, 0, 0, 1, 0, 1, 2, 3, 4, '{', '"', 'k')
	if err = os.WriteFile(filepath.Join(copied, sandbox.StateFile), torn, 0o600); err != nil {
		t.Fatal(err)
	}
	closeServer(t, server)
	goesOn(t, newServer(t, sandbox.Config{State: copied}), client.dsn, own.Number(), peer.Number())
}

func TestWhatWasRemovedStaysRemoved(t *testing.T) {
	folder := t.TempDir()
	server, own, peer, client := settledChat(t, folder)
	stays := newPhone(t, server, phones.ScriptDeliver)
	if err := server.CompactState(); err != nil {
		t.Fatal(err)
	}
	if err := own.Unlink(testContext(t), own.Devices()[0].JID); err != nil {
		t.Fatal(err)
	}
	wait[*events.LoggedOut](client, 0, nil)
	if err := server.RemovePhone(peer.Number()); err != nil {
		t.Fatal(err)
	}
	closeServer(t, server)
	server = newServer(t, sandbox.Config{State: folder})
	if _, ok := server.Phone(peer.Number()); ok {
		t.Error("the removed phone is back")
	}
	if devices := phoneOf(t, server, own.Number()).Devices(); len(devices) != 0 {
		t.Errorf("unlinked devices are back: %+v", devices)
	}
	if script := phoneOf(t, server, stays.Number()).Script(); script != phones.ScriptDeliver {
		t.Errorf("script %s", script)
	}
}

func TestAStateFolderIsOneServers(t *testing.T) {
	folder := t.TempDir()
	server := newServer(t, sandbox.Config{State: folder})
	if _, err := sandbox.New(sandbox.Config{State: folder, Authority: testAuthority}); !errors.Is(err, disk.ErrBusy) {
		t.Errorf("a second server: %v", err)
	}
	closeServer(t, server)
	closeServer(t, newServer(t, sandbox.Config{State: folder}))
	file := filepath.Join(folder, "lock", "below a file")
	if _, err := sandbox.New(sandbox.Config{State: file, Authority: testAuthority}); err == nil {
		t.Error("a folder that cannot be")
	}
}

func stateRecord(key, value string) []byte {
	raw := []byte(`{"k":"` + key + `","v":` + value + `}`)
	out := binary.BigEndian.AppendUint32(nil, uint32(len(raw)))
	out = binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(raw))
	return append(out, raw...)
}

func TestStateThatIsNotOursIsRefused(t *testing.T) {
	for _, value := range []string{`{}`, `7`, `{"number":"4915550000001","lid":"1","script":"read","signal":{}}`} {
		folder := t.TempDir()
		if err := os.WriteFile(filepath.Join(folder, sandbox.StateFile), stateRecord("p/1", value), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := sandbox.New(sandbox.Config{State: folder, Authority: testAuthority}); err == nil {
			t.Errorf("accepted %s", value)
		}
		if raw, err := os.ReadFile(filepath.Join(folder, sandbox.StateFile)); err != nil || string(raw) != string(stateRecord("p/1", value)) {
			t.Errorf("the file was changed: %v", err)
		}
	}
}

func FuzzState(f *testing.F) {
	f.Add(false, "p/1", `{"number":"4915550000001","lid":"1","script":"read","signal":{}}`)
	f.Add(false, "m/1/2/3", `{"message":{},"by":"2"}`)
	f.Add(true, "\x00\x00\x00\x02\x00\x00\x00\x00{}", "")
	f.Fuzz(func(t *testing.T, bytes bool, key, value string) {
		raw := []byte(key)
		if !bytes {
			if !json.Valid([]byte(value)) {
				return
			}
			raw = stateRecord("x", "1")
			encoded, err := json.Marshal(map[string]any{"k": key, "v": json.RawMessage(value)})
			if err != nil {
				return
			}
			raw = binary.BigEndian.AppendUint32(raw, uint32(len(encoded)))
			raw = binary.BigEndian.AppendUint32(raw, crc32.ChecksumIEEE(encoded))
			raw = append(raw, encoded...)
		}
		folder := t.TempDir()
		if err := os.WriteFile(filepath.Join(folder, sandbox.StateFile), raw, 0o600); err != nil {
			t.Fatal(err)
		}
		server, err := sandbox.New(sandbox.Config{State: folder, Authority: testAuthority})
		if err != nil {
			return
		}
		closeServer(t, server)
		again, err := sandbox.New(sandbox.Config{State: folder, Authority: testAuthority})
		if err != nil {
			t.Fatalf("what was written cannot be read: %v", err)
		}
		closeServer(t, again)
	})
}

func TestGroupsAndWhatWaitsForAPhoneComeBack(t *testing.T) {
	folder := t.TempDir()
	server := newServer(t, sandbox.Config{State: folder})
	ada, bea := newPhone(t, server, ""), newPhone(t, server, "")
	jid := server.MakeGroup("Chess", ada, bea)
	before, err := server.Group(jid)
	if err != nil {
		t.Fatal(err)
	}
	if _, err = ada.SendText(testContext(t), jid.String(), "to all"); err != nil {
		t.Fatal(err)
	}
	waitText(t, bea, "to all")
	bea.SetOnline(false)
	peerSends(t, ada, bea, "for later")
	closeServer(t, server)
	server = newServer(t, sandbox.Config{State: folder})
	after, err := server.Group(jid)
	if after.Created.Equal(before.Created) {
		before.Created = after.Created // without the monotonic clock
	}
	if err != nil || !reflect.DeepEqual(before, after) {
		t.Errorf("the group was %+v and is %+v: %v", before, after, err)
	}
	back := phoneOf(t, server, bea.Number())
	if back.Online() {
		t.Error("the phone is online")
	}
	back.SetOnline(true)
	waitText(t, back, "for later")
	if _, err = phoneOf(t, server, ada.Number()).SendText(testContext(t), jid.String(), "again to all"); err != nil {
		t.Fatal(err)
	}
	waitText(t, back, "again to all")
	if next := server.MakeGroup("Go", back); next == jid {
		t.Error("the new group has the old one's address")
	}
	if n := server.Counters().Retries; n != 0 {
		t.Errorf("%d messages had to be sent again", n)
	}
}
