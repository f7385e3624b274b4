package whatsapp_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"wasup/internal/message"
	"wasup/internal/sandbox"
	"wasup/internal/sandbox/faults"
	"wasup/internal/sandbox/observe"
	"wasup/internal/sandbox/phones"
	"wasup/internal/session"
	"wasup/internal/whatsapp"
)

func text(id string, to string) message.Outgoing {
	return message.Outgoing{ID: id, To: message.Recipient(to), Content: message.TextOf("hello from " + id)}
}

func TestAMessageIsAcknowledgedAndRead(t *testing.T) {
	h := newHouse(t, sandbox.Config{})
	friend := h.phone()
	l := h.ready("a", h.phone())
	for id, to := range map[string]string{
		"3EB0000000000001": friend.Number() + "@s.whatsapp.net",
		"3EB0000000000002": friend.LID().String(),
		"3EB0000000000003": friend.Number() + "@s.whatsapp.net", // its LID is known by now
	} {
		before := time.Now().Add(-time.Minute)
		ack, err := l.client.Send(testContext(t), text(id, to))
		if err != nil {
			t.Fatalf("to %s: %v", to, err)
		}
		if ack.MessageID != id || ack.At.Before(before) || ack.At.After(time.Now().Add(time.Minute)) {
			t.Errorf("ack %+v", ack)
		}
		got, err := friend.WaitMessage(testContext(t), func(m phones.Message) bool { return m.ID == id })
		if err != nil {
			t.Fatal(err)
		}
		if got.Text != "hello from "+id {
			t.Errorf("the phone reads %q", got.Text)
		}
	}
	l.nothingMore()
}

func TestAMessageSentAgainKeepsItsID(t *testing.T) {
	h := newHouse(t, sandbox.Config{})
	friend := h.phone()
	h.link("a", h.phone())
	msg := text("3EB0000000000001", friend.Number()+"@s.whatsapp.net")
	for range 2 { // a new run each time, as after a crash
		l := h.open("a")
		l.expect(session.SocketUp)
		if _, err := l.client.Send(testContext(t), msg); err != nil {
			t.Fatal(err)
		}
		l.nothingMore()
	}
	if _, err := friend.WaitMessage(testContext(t), func(m phones.Message) bool { return m.ID == msg.ID && m.Copies == 2 }); err != nil {
		t.Fatal(err)
	}
	if n := len(friend.Messages()); n != 1 {
		t.Errorf("the phone shows %d messages", n)
	}
}

func TestAnAddressWithoutAnAccountIsSaidToBe(t *testing.T) {
	h := newHouse(t, sandbox.Config{})
	gone := h.phone()
	l := h.ready("a", h.phone())
	known := gone.Number() + "@s.whatsapp.net"
	if _, err := l.client.Send(testContext(t), text("3EB0000000000001", known)); err != nil {
		t.Fatal(err)
	}
	l.nothingMore()
	if err := h.server.RemovePhone(gone.Number()); err != nil {
		t.Fatal(err)
	}
	l = h.open("a")
	l.expect(session.SocketUp)
	for name, to := range map[string]string{
		"number":             "491999999999@s.whatsapp.net",
		"LID":                "999999999999999@lid",
		"account since gone": known,
	} {
		_, err := l.client.Send(testContext(t), text("3EB0000000000002", to))
		if session.CodeOf(err) != session.CodeNotOnWhatsApp {
			t.Errorf("%s: %v", name, err)
		}
	}
	l.nothingMore()
}

func TestARefusedMessageHasItsNumber(t *testing.T) {
	h := newHouse(t, sandbox.Config{})
	friend := h.phone()
	l := h.ready("a", h.phone())
	for i, code := range []int{479, 400, 463} {
		fault := h.fault(faults.Fault{Kind: faults.RefuseAck, Code: code})
		_, err := l.client.Send(testContext(t), text(fmt.Sprintf("3EB000000000000%d", i), friend.LID().String()))
		want := session.CodeSendFailed
		if code == 463 {
			want = session.CodeRestricted
		}
		var e *session.Error
		if !errors.As(err, &e) || e.Code != want || e.Status != code || e.Session != "a" {
			t.Errorf("%d: %v", code, err)
		}
		h.server.ClearFault(fault)
	}
	if in := l.expect(session.SendRestricted); in.Code != 463 {
		t.Errorf("%+v", in)
	}
	l.nothingMore()
}

func TestAnAcknowledgementThatDoesNotComeIsOverdue(t *testing.T) {
	h := newHouse(t, sandbox.Config{})
	friend := h.phone()
	l := h.ready("a", h.phone())
	if err := friend.SetScript(phones.ScriptSilent); err != nil { // a receipt would stand in for the acknowledgement
		t.Fatal(err)
	}
	h.fault(faults.Fault{Kind: faults.WithholdAck})
	feed, stop := h.server.Subscribe()
	defer stop()
	ctx, cancel := context.WithCancel(testContext(t))
	go func() {
		until(t, feed, observe.EventFault)
		cancel()
	}()
	if _, err := l.client.Send(ctx, text("3EB0000000000001", friend.LID().String())); session.CodeOf(err) != session.CodeAckOverdue {
		t.Errorf("got %v", err)
	}
	l.nothingMore()
}

func TestALostConnectionEndsTheSendInFlight(t *testing.T) {
	h := newHouse(t, sandbox.Config{})
	friend := h.phone()
	h.link("a", h.phone())
	if err := friend.SetScript(phones.ScriptSilent); err != nil { // a receipt would stand in for the acknowledgement
		t.Fatal(err)
	}
	h.fault(faults.Fault{Kind: faults.WithholdAck})
	for name, end := range map[string]func(*life){
		"by the server": func(*life) { h.server.DropTCP(faults.Select{}) },
		"by us":         func(l *life) { l.client.Close() },
		"by an error":   func(*life) { h.server.StreamError(faults.Select{}, 503, "", true) },
	} {
		t.Run(name, func(t *testing.T) {
			l := h.open("a")
			l.expect(session.SocketUp)
			feed, stop := h.server.Subscribe()
			defer stop()
			go func() {
				until(t, feed, observe.EventFault)
				end(l)
			}()
			_, err := l.client.Send(testContext(t), text("3EB0000000000001", friend.LID().String()))
			if session.CodeOf(err) != session.CodeDisconnected {
				t.Errorf("got %v", err)
			}
			if _, err = l.client.Send(testContext(t), text("3EB0000000000002", friend.LID().String())); session.CodeOf(err) != session.CodeDisconnected {
				t.Errorf("the next send: %v", err)
			}
		})
	}
}

// Whatever ends a connection, whatsmeow would let requests wait for a reconnect, and two such waits have a data race.
func TestRequestsFailBeforeWhatsmeowLearnsOfTheEnd(t *testing.T) {
	h := newHouse(t, sandbox.Config{})
	h.link("a", h.phone())
	for name, end := range map[string]func(*life){
		"the connection breaks": func(*life) { h.server.DropTCP(faults.Select{}) },
		"the server closes it":  func(*life) { h.server.CloseConnections(faults.Select{}) },
		"a stream error":        func(*life) { h.server.StreamError(faults.Select{}, 503, "", true) },
		"a restart":             func(*life) { h.server.StreamError(faults.Select{}, 515, "", true) },
		"the end of the stream": func(*life) { h.server.EndStream(faults.Select{}) },
		"we close it":           func(l *life) { l.client.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			l := h.open("a")
			l.expect(session.SocketUp)
			failed := whatsapp.Request(l.client)
			end(l)
			if !failed() {
				t.Error("whatsmeow was first")
			}
			l.client.Close()
		})
	}
}

func TestBadMessagesAreNamed(t *testing.T) {
	h := newHouse(t, sandbox.Config{})
	h.add("a")
	l := h.open("a")
	for field, msg := range map[string]message.Outgoing{
		"to": {ID: "x", To: "123-456@g.us"},
		"id": {To: "4915112345678@s.whatsapp.net"},
	} {
		_, err := l.client.Send(testContext(t), msg)
		var e *session.Error
		if !errors.As(err, &e) || e.Code != session.CodeInvalidRequest || e.Field != field {
			t.Errorf("%s: %v", field, err)
		}
	}
	if _, err := l.client.Send(testContext(t), text("x", "4915112345678@s.whatsapp.net")); session.CodeOf(err) != session.CodeDisconnected {
		t.Errorf("before the login: %v", err)
	}
}

func TestUnlinkTellsWhatsAppAndForgetDeletesTheCredentials(t *testing.T) {
	h := newHouse(t, sandbox.Config{})
	phone := h.phone()
	l := h.ready("a", phone)
	if err := l.client.Unlink(testContext(t)); err != nil {
		t.Fatal(err)
	}
	l.nothingMore()
	if n := len(phone.Devices()); n != 0 {
		t.Errorf("the phone still lists %d devices", n)
	}
	for range 2 { // a second call is no error
		if err := h.dialer.Forget(testContext(t), "a"); err != nil {
			t.Fatal(err)
		}
	}
	if h.bound("a") != "" || h.storedDevices() != 0 {
		t.Errorf("bound to %q, %d credentials", h.bound("a"), h.storedDevices())
	}
	h.link("a", phone)
}

func TestAClientThatIsNotLinkedHasNothingToUnlink(t *testing.T) {
	h := newHouse(t, sandbox.Config{})
	h.add("a")
	l := h.open("a")
	l.expect(session.QRIssued)
	if err := l.client.Unlink(testContext(t)); err != nil {
		t.Error(err)
	}
	if err := h.dialer.Forget(testContext(t), "a"); err != nil {
		t.Error(err)
	}
}
