package interop_test

import (
	"encoding/hex"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"

	"wasup/internal/sandbox"
	"wasup/internal/sandbox/observe"
	"wasup/internal/sandbox/phones"
)

// open connects the script to a server.
func (s *script) open(server *sandbox.Server) {
	s.t.Helper()
	s.openAt(server, server.URL(), "", false)
}

// openAt connects to an address, with a CA for TLS. history says whether the script requests its phone's history.
func (s *script) openAt(server *sandbox.Server, url, ca string, history bool) {
	s.t.Helper()
	key := server.RootPublicKey()
	s.do("open", map[string]any{"url": url, "key": hex.EncodeToString(key[:]), "ca": ca, "store": s.store, "history": history})
}

// pair links the script to a phone by QR and waits until it is logged in.
func (s *script) pair(server *sandbox.Server, phone *sandbox.Phone) {
	s.t.Helper()
	s.open(server)
	s.scanned(phone)
}

func (s *script) scanned(phone *sandbox.Phone) {
	s.t.Helper()
	jid, err := phone.Scan(within(s.t), s.await("qr", nil).Code)
	must(s.t, err)
	if ready := s.await("ready", nil); ready.JID != jid.String() || ready.LID == "" {
		s.t.Fatalf("the client is %s %s, the phone linked %s", ready.JID, ready.LID, jid)
	}
}

func TestBaileysPairsByQRAndLogsInAgain(t *testing.T) {
	needNode(t)
	t.Parallel()
	server := newServer(t)
	phone := newPhone(t, server, "Ana")
	friend := newPhone(t, server, "Bruno")
	first := start(t)
	first.pair(server, phone)
	if devices := phone.Devices(); len(devices) != 1 || !devices[0].Connected || devices[0].Platform != "Ubuntu" {
		t.Fatalf("the phone lists %+v", devices)
	}
	_, err := friend.SendText(within(t), phone.Number(), "before")
	must(t, err)
	first.reads("before")
	first.do("close", nil)
	_, err = friend.SendText(within(t), phone.Number(), "while away")
	must(t, err)

	again := startOn(t, first.store)
	again.open(server)
	again.await("ready", nil)
	again.reads("while away")

	if slices.ContainsFunc(again.told(), func(one told) bool { return one.Event == "qr" }) {
		t.Fatal("the client was asked to pair again")
	}
	if counters := server.Counters(); counters.Pairings != 1 || counters.Logins != 2 {
		t.Fatalf("counters %+v", counters)
	}
	// The stored Signal sessions still work.
	_, err = friend.SendText(within(t), phone.Number(), "after")
	must(t, err)
	again.reads("after")
	again.reached(again.send("text", map[string]any{"to": friend.JID().String(), "text": "and back"}), "READ")
}

func TestBaileysPairsByCode(t *testing.T) {
	needNode(t)
	t.Parallel()
	server := newServer(t)
	phone := newPhone(t, server, "Ana")
	client := start(t)
	client.open(server)
	client.await("qr", nil)
	feed, stop := server.Subscribe()
	defer stop()
	code, _ := client.do("code", map[string]any{"number": phone.Number()})["code"].(string)
	// The client shows the code before the server has answered.
	eventually(t, feed, observe.EventCodeRequested)

	jid, err := phone.EnterCode(within(t), code)
	must(t, err)

	if ready := client.await("ready", nil); ready.JID != jid.String() {
		t.Fatalf("the client is %s, the phone linked %s", ready.JID, jid)
	}
	talk(t, client, newPhone(t, server, "Bruno"), phone)
}

func TestBaileysConnectsByTLS(t *testing.T) {
	needNode(t)
	t.Parallel()
	server := newServer(t)
	phone := newPhone(t, server, "Ana")
	client := start(t)
	client.openAt(server, server.SecureURL(), string(server.CAPEM()), false)
	client.scanned(phone)
	talk(t, client, newPhone(t, server, "Bruno"), phone)
}

func TestBaileysGetsReceiptsAndLearnsThatItWasUnlinked(t *testing.T) {
	needNode(t)
	t.Parallel()
	server := newServer(t)
	phone := newPhone(t, server, "Ana")
	friend, err := server.AddPhone(phones.Config{Name: "Bruno", Script: phones.ScriptDeliver})
	must(t, err)
	client := start(t)
	client.pair(server, phone)

	id := client.send("text", map[string]any{"to": friend.JID().String(), "text": "read me later"})
	client.reached(id, "DELIVERY_ACK")
	if slices.ContainsFunc(client.told(), func(one told) bool { return one.message() == id && one.status() == "READ" }) {
		t.Error("read before anybody read it")
	}
	must(t, friend.MarkRead(within(t), id))
	client.reached(id, "READ")

	must(t, phone.Unlink(within(t), phone.Devices()[0].JID))
	client.await("close", func(one told) bool { return one.status() == "401" })
}

// talk exchanges a text each way between a client of phone and another phone.
func talk(t *testing.T, client *script, friend, phone *sandbox.Phone) {
	t.Helper()
	_, err := friend.SendText(within(t), phone.Number(), "hola")
	must(t, err)
	client.reads("hola")
	client.reached(client.send("text", map[string]any{"to": friend.JID().String(), "text": "qué tal"}), "READ")
}

func TestBaileysAndWhatsmeowTalkToEachOther(t *testing.T) {
	needNode(t)
	t.Parallel()
	server := newServer(t)
	ana, bruno, carla := newPhone(t, server, "Ana"), newPhone(t, server, "Bruno"), newPhone(t, server, "Carla")
	node := start(t)
	node.pair(server, ana)
	gopher := newPeer(t, server, bruno)

	t.Run("the client finds out who is on WhatsApp", func(t *testing.T) {
		for number, there := range map[string]bool{bruno.Number(): true, "15559999999": false} {
			if got := node.do("onWhatsApp", map[string]any{"number": number})["exists"]; got != there {
				t.Errorf("%s: %v", number, got)
			}
		}
	})
	t.Run("text goes both ways and is read", func(t *testing.T) {
		sent := node.send("text", map[string]any{"to": bruno.JID().String(), "text": "from node"})
		got := gopher.reads("from node")
		if got.Info.ID != sent {
			t.Fatalf("sent %s, received %s", sent, got.Info.ID)
		}
		must(t, gopher.cli.MarkRead(within(t), []types.MessageID{got.Info.ID}, time.Now(), got.Info.Chat, got.Info.Sender))
		node.reached(sent, "READ")

		answer := gopher.text(ana.JID(), "from go")
		node.do("read", map[string]any{"message": node.reads("from go")})
		gopher.receipt(answer, types.ReceiptTypeRead)
	})
	t.Run("a conversation goes on", func(t *testing.T) {
		// In turns: whatsmeow loses keys if it encrypts and decrypts for one device at the same time.
		for i := range rounds() {
			node.send("text", map[string]any{"to": bruno.JID().String(), "text": fmt.Sprint("to go ", i)})
			gopher.reads(fmt.Sprint("to go ", i))
			gopher.text(ana.JID(), fmt.Sprint("to node ", i))
			node.reads(fmt.Sprint("to node ", i))
		}
	})
	t.Run("the phones of both see what their clients send and get", func(t *testing.T) {
		for _, phone := range []*sandbox.Phone{ana, bruno} {
			has(t, phone, "from node")
			has(t, phone, "from go")
		}
	})
	t.Run("a third phone talks to the client", func(t *testing.T) { talk(t, node, carla, ana) })
	t.Run("reactions go both ways", func(t *testing.T) {
		sent := node.send("text", map[string]any{"to": bruno.JID().String(), "text": "react to this"})
		got := gopher.reads("react to this")
		gopher.send(got.Info.Chat, gopher.cli.BuildReaction(got.Info.Chat, got.Info.Sender, got.Info.ID, "👍"))
		node.await("reaction", func(one told) bool { return one.message() == sent && one.Text == "👍" })

		answer := gopher.text(ana.JID(), "and to this")
		node.send("react", map[string]any{"to": bruno.JID().String(), "message": node.reads("and to this"), "text": "🎉"})
		await(gopher, func(m *events.Message) bool {
			reaction := m.Message.GetReactionMessage()
			return reaction.GetKey().GetID() == answer && reaction.GetText() == "🎉"
		})
	})
	t.Run("the keys on the server are those of the client", func(t *testing.T) {
		node.do("digest", nil)
		node.do("rotate", nil)
		// A session that starts now uses the new signed key.
		talk(t, node, newPhone(t, server, "Dora"), ana)
	})
	t.Run("the client reads its settings", func(t *testing.T) {
		if blocked := node.do("blocklist", nil)["blocked"]; blocked != float64(0) {
			t.Errorf("%v blocked", blocked)
		}
		if privacy := node.do("privacy", nil); privacy["readreceipts"] != "all" {
			t.Errorf("privacy %v", privacy)
		}
	})
	t.Run("the client logs out", func(t *testing.T) {
		feed, stop := server.Subscribe()
		defer stop()
		node.do("logout", nil)
		eventually(t, feed, observe.EventUnlinked)
		if devices := ana.Devices(); len(devices) != 0 {
			t.Errorf("the phone still lists %+v", devices)
		}
	})
}

// rounds returns how many texts are exchanged: few in the short form, many in the long one.
func rounds() int {
	if os.Getenv("WASUP_INTEROP") == "long" {
		return 200
	}
	return 10
}

// has waits until a phone has a message with this text.
func has(t *testing.T, phone *sandbox.Phone, text string) {
	t.Helper()
	_, err := phone.WaitMessage(within(t), func(m phones.Message) bool { return m.Text == text })
	if err != nil {
		t.Fatalf("%s has no %q: %v", phone.Name(), text, err)
	}
}

func eventually(t *testing.T, feed <-chan observe.Event, kind observe.EventKind) {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for {
		select {
		case event := <-feed:
			if event.Kind == kind {
				return
			}
		case <-deadline.C:
			t.Fatalf("no %s in time", kind)
		}
	}
}
