package signal

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"testing"

	"go.mau.fi/libsignal/logger"
	"go.mau.fi/whatsmeow/types"
)

func TestThePhoneStartsASessionWithWhatsmeowThatUsesMsgAfterTheAnswer(t *testing.T) {
	for _, addr := range []types.JID{companionJID, companionLID} {
		t.Run(addr.Server, func(t *testing.T) {
			phone, client := newDevice(t), newCompanion(t).linked()
			if phone.HasSession(addr) {
				t.Fatal("a new phone has a session")
			}
			must(t, phone.ProcessBundle(addr, client.bundle()))
			if !phone.HasSession(addr) {
				t.Fatal("no session after the bundle was processed")
			}
			for i := range 2 {
				phoneSays(t, phone, client, addr, TypePreKeyMessage, fmt.Sprintf("unanswered %d", i))
			}
			clientSays(t, phone, client, addr, TypeMessage, "answer")
			for i := range 3 {
				phoneSays(t, phone, client, addr, TypeMessage, fmt.Sprintf("after the answer %d", i))
				clientSays(t, phone, client, addr, TypeMessage, fmt.Sprintf("and back %d", i))
			}
		})
	}
}

func TestWhatsmeowStartsASessionWithThePhone(t *testing.T) {
	for name, change := range map[string]func(*Bundle){
		"with a one-time prekey":    func(*Bundle) {},
		"without a one-time prekey": func(b *Bundle) { b.PreKeyID, b.PreKey = 0, nil },
	} {
		t.Run(name, func(t *testing.T) {
			phone, client := newDevice(t), newCompanion(t).linked()
			bundle, err := phone.Bundle()
			must(t, err)
			change(&bundle)
			for i, b := range []*Bundle{&bundle, nil} {
				encType, ciphertext := client.encrypt(phoneLID, b, fmt.Sprintf("hello %d", i))
				if encType != TypePreKeyMessage {
					t.Fatalf("message %d has type %s", i, encType)
				}
				if got := phoneReads(t, phone, companionLID, encType, ciphertext); got != fmt.Sprintf("hello %d", i) {
					t.Fatalf("message %d reads %q", i, got)
				}
			}
			phoneSays(t, phone, client, companionLID, TypeMessage, "answer")
			clientSays(t, phone, client, companionLID, TypeMessage, "now plain")
		})
	}
}

func TestARepeatedMessageIsADuplicateAndHarmsNothing(t *testing.T) {
	phone, client := newDevice(t), newCompanion(t).linked()
	bundle, err := phone.Bundle()
	must(t, err)
	encType, first := client.encrypt(phoneLID, &bundle, "first")
	phoneReads(t, phone, companionLID, encType, first)
	if _, err := phone.Decrypt(companionLID, encType, first); !errors.Is(err, ErrDuplicate) {
		t.Fatalf("the repeated pkmsg gives %v", err)
	}
	phoneSays(t, phone, client, companionLID, TypeMessage, "answer")
	encType, second := client.encrypt(phoneLID, nil, "second")
	if encType != TypeMessage {
		t.Fatalf("type %s after an answer", encType)
	}
	phoneReads(t, phone, companionLID, encType, second)
	for range 2 {
		if _, err := phone.Decrypt(companionLID, encType, second); !errors.Is(err, ErrDuplicate) {
			t.Fatalf("the repeated msg gives %v", err)
		}
	}
	clientSays(t, phone, client, companionLID, TypeMessage, "third")
}

func TestMessagesOutOfOrderAreAllRead(t *testing.T) {
	phone, client := newDevice(t), newCompanion(t).linked()
	bundle, err := phone.Bundle()
	must(t, err)
	type sent struct {
		encType string
		text    []byte
	}
	var queue []sent
	for i := range 5 {
		b := &bundle
		if i > 0 {
			b = nil
		}
		encType, ciphertext := client.encrypt(phoneLID, b, fmt.Sprint(i))
		queue = append(queue, sent{encType, ciphertext})
	}
	for _, i := range []int{3, 0, 4, 2, 1} {
		if got := phoneReads(t, phone, companionLID, queue[i].encType, queue[i].text); got != fmt.Sprint(i) {
			t.Fatalf("message %d reads %q", i, got)
		}
	}
}

func TestAForgedMessageFailsAndLeavesTheSessionUsable(t *testing.T) {
	phone, client := newDevice(t), newCompanion(t).linked()
	must(t, phone.ProcessBundle(companionLID, client.bundle()))
	phoneSays(t, phone, client, companionLID, TypePreKeyMessage, "hello")
	encType, genuine := client.encrypt(phoneLID, nil, "genuine")
	// The version, the end of the ciphertext and the MAC. The library parses and rewrites the fields between them, so a
	// change there may have no effect.
	for _, i := range append([]int{0}, lastIndexes(genuine, 24)...) {
		forged := bytes.Clone(genuine)
		forged[i] ^= 0x40
		if _, err := phone.Decrypt(companionLID, encType, forged); err == nil {
			t.Fatalf("the message with byte %d changed was accepted", i)
		}
	}
	if got := phoneReads(t, phone, companionLID, encType, genuine); got != "genuine" {
		t.Fatalf("the genuine message reads %q", got)
	}
}

func TestABundleThatItsIdentityDidNotSignIsRefused(t *testing.T) {
	phone, client, other := newDevice(t), newCompanion(t).linked(), newDevice(t)
	for name, change := range map[string]func(*Bundle){
		"signature":     func(b *Bundle) { b.Signature[3] ^= 1 },
		"signed prekey": func(b *Bundle) { b.SignedPreKey = other.IdentityPublic() },
		"identity":      func(b *Bundle) { b.Identity = other.IdentityPublic() },
	} {
		bundle := client.bundle()
		change(&bundle)
		if err := phone.ProcessBundle(companionLID, bundle); err == nil {
			t.Errorf("a bundle with another %s was accepted", name)
		}
	}
	if phone.HasSession(companionLID) {
		t.Error("a refused bundle left a session")
	}
}

func TestAMessageForSomebodyElseCannotBeRead(t *testing.T) {
	phone, client, other := newDevice(t), newCompanion(t).linked(), newDevice(t)
	bundle, err := phone.Bundle()
	must(t, err)
	encType, ciphertext := client.encrypt(phoneLID, &bundle, "for the phone")
	if plaintext, err := other.Decrypt(companionLID, encType, ciphertext); err == nil {
		t.Fatalf("another phone reads %q", plaintext)
	}
	if other.HasSession(companionLID) {
		t.Fatal("a message for somebody else started a session")
	}
}

func TestACompanionThatIsLinkedAgainCanWriteUnderItsOldAddress(t *testing.T) {
	phone := newDevice(t)
	for i := range 2 {
		client := newCompanion(t).linked()
		bundle, err := phone.Bundle()
		must(t, err)
		text := fmt.Sprintf("from identity %d", i)
		encType, ciphertext := client.encrypt(phoneLID, &bundle, text)
		if got := phoneReads(t, phone, companionLID, encType, ciphertext); got != text {
			t.Fatalf("reads %q", got)
		}
		phoneSays(t, phone, client, companionLID, TypeMessage, "answer")
	}
}

func TestWithoutASessionNothingIsEncryptedOrRead(t *testing.T) {
	phone, client := newDevice(t), newCompanion(t).linked()
	if _, _, err := phone.Encrypt(companionLID, Pad([]byte("x"))); !errors.Is(err, ErrNoSession) {
		t.Errorf("Encrypt gives %v", err)
	}
	must(t, phone.ProcessBundle(companionLID, client.bundle()))
	phoneSays(t, phone, client, companionLID, TypePreKeyMessage, "hello")
	encType, ciphertext := client.encrypt(phoneLID, nil, "too late")
	phone.DeleteSession(companionLID)
	if phone.HasSession(companionLID) {
		t.Error("the session survived DeleteSession")
	}
	if _, err := phone.Decrypt(companionLID, encType, ciphertext); !errors.Is(err, ErrNoSession) {
		t.Errorf("Decrypt gives %v", err)
	}
	// The phone number and the LID are two different addresses.
	must(t, phone.ProcessBundle(companionLID, client.bundle()))
	if phone.HasSession(companionJID) {
		t.Error("a session with the LID is one with the phone number")
	}
}

func TestBadInputGivesItsOwnError(t *testing.T) {
	phone, client := newDevice(t), newCompanion(t).linked()
	must(t, phone.ProcessBundle(companionLID, client.bundle()))
	if _, err := phone.Decrypt(companionLID, "skmsg", []byte("x")); !errors.Is(err, ErrUnknownType) {
		t.Errorf("an unknown type gives %v", err)
	}
	for _, raw := range [][]byte{nil, {}, {0x33}, bytes.Repeat([]byte{0x33}, 40), {0x33, 0x12, 0x00, 0x1a, 0x00, 0x22, 0x00}} {
		for _, encType := range []string{TypePreKeyMessage, TypeMessage} {
			if _, err := phone.Decrypt(companionLID, encType, raw); !errors.Is(err, ErrMalformed) {
				t.Errorf("%s %x gives %v", encType, raw, err)
			}
		}
	}
	// An empty ratchet key makes libsignal index out of range.
	empty := append([]byte{0x33, 0x0a, 0x00, 0x22, 0x01, 0x00}, make([]byte, 8)...)
	if _, err := phone.Decrypt(companionLID, TypeMessage, empty); !errors.Is(err, ErrMalformed) {
		t.Errorf("an empty ratchet key gives %v", err)
	}
	if err := phone.ProcessBundle(types.EmptyJID, client.bundle()); err == nil {
		t.Error("an empty address was accepted")
	}
}

func TestNoTwoBundlesShareAOneTimePreKey(t *testing.T) {
	phone := newDevice(t)
	ids, publics := map[uint32]bool{}, map[[32]byte]bool{}
	for range 3 * preKeyBatch {
		bundle, err := phone.Bundle()
		must(t, err)
		if bundle.PreKey == nil || bundle.PreKeyID == 0 || bundle.PreKeyID > maxPreKeyID {
			t.Fatalf("a bundle carries prekey %d", bundle.PreKeyID)
		}
		ids[bundle.PreKeyID], publics[*bundle.PreKey] = true, true
		if bundle.Identity != phone.IdentityPublic() || bundle.RegistrationID != phone.RegistrationID() {
			t.Fatal("a bundle carries another identity")
		}
	}
	if len(ids) != 3*preKeyBatch || len(publics) != 3*preKeyBatch {
		t.Fatalf("%d ids and %d keys in %d bundles", len(ids), len(publics), 3*preKeyBatch)
	}
}

func TestAOneTimePreKeyStartsOneSessionOnly(t *testing.T) {
	phone, first, second := newDevice(t), newCompanion(t).linked(), newCompanion(t).linked()
	bundle, err := phone.Bundle()
	must(t, err)
	encType, ciphertext := first.encrypt(phoneLID, &bundle, "first")
	phoneReads(t, phone, companionLID, encType, ciphertext)
	encType, ciphertext = second.encrypt(phoneLID, &bundle, "second")
	if _, err := phone.Decrypt(types.NewJID("1234", types.HiddenUserServer), encType, ciphertext); err == nil {
		t.Fatal("a used prekey started a second session")
	}
}

func TestEncryptLeavesTheCallersMemoryAlone(t *testing.T) {
	phone, client := newDevice(t), newCompanion(t).linked()
	must(t, phone.ProcessBundle(companionLID, client.bundle()))
	memory := bytes.Repeat([]byte{0xee}, 64)
	_, _, err := phone.Encrypt(companionLID, memory[:20])
	must(t, err)
	if !bytes.Equal(memory, bytes.Repeat([]byte{0xee}, 64)) {
		t.Fatal("Encrypt wrote behind its argument")
	}
}

func TestADeviceServesManyCallersAtOnce(t *testing.T) {
	phone, client := newDevice(t), newCompanion(t).linked()
	must(t, phone.ProcessBundle(companionLID, client.bundle()))
	const callers, each = 8, 10
	var wait sync.WaitGroup
	sent := make(chan []byte, callers*each)
	for range callers {
		wait.Go(func() {
			for range each {
				_, ciphertext, err := phone.Encrypt(companionLID, Pad([]byte("text")))
				if err != nil {
					t.Error(err)
					return
				}
				if _, err := phone.Bundle(); err != nil {
					t.Error(err)
				}
				phone.HasSession(companionLID)
				sent <- ciphertext
			}
		})
	}
	wait.Wait()
	close(sent)
	read := 0
	for ciphertext := range sent {
		if text, err := client.decrypt(phoneLID, TypePreKeyMessage, ciphertext); err != nil || text != "text" {
			t.Fatalf("reads %q, %v", text, err)
		}
		read++
	}
	if read != callers*each {
		t.Fatalf("%d messages read", read)
	}
}

func TestTheLibraryIsQuietBeforeItsFirstMessage(t *testing.T) {
	if _, ok := logger.Logger.(quietLogger); !ok {
		t.Fatalf("libsignal logs through %T", logger.Logger)
	}
}

// phoneSays sends one text from the phone to the client and checks both ends.
func phoneSays(t *testing.T, phone *Device, client companion, to types.JID, wantType, text string) {
	t.Helper()
	encType, ciphertext, err := phone.Encrypt(to, Pad([]byte(text)))
	must(t, err)
	if encType != wantType {
		t.Fatalf("%q leaves the phone as %s, expected %s", text, encType, wantType)
	}
	got, err := client.decrypt(phoneOf(to), encType, ciphertext)
	must(t, err)
	if got != text {
		t.Fatalf("the client reads %q, expected %q", got, text)
	}
}

// clientSays sends one text from the client, known as from, to the phone.
func clientSays(t *testing.T, phone *Device, client companion, from types.JID, wantType, text string) {
	t.Helper()
	encType, ciphertext := client.encrypt(phoneOf(from), nil, text)
	if encType != wantType {
		t.Fatalf("%q leaves the client as %s, expected %s", text, encType, wantType)
	}
	if got := phoneReads(t, phone, from, encType, ciphertext); got != text {
		t.Fatalf("the phone reads %q, expected %q", got, text)
	}
}

func phoneReads(t *testing.T, phone *Device, from types.JID, encType string, ciphertext []byte) string {
	t.Helper()
	padded, err := phone.Decrypt(from, encType, ciphertext)
	must(t, err)
	text, err := Unpad(padded)
	must(t, err)
	return string(text)
}

// phoneOf is the phone's address of the same kind as the companion's.
func phoneOf(companion types.JID) types.JID {
	if companion.Server == types.HiddenUserServer {
		return phoneLID
	}
	return phoneJID
}

// lastIndexes lists the positions of the last count bytes.
func lastIndexes(b []byte, count int) []int {
	indexes := make([]int, count)
	for i := range indexes {
		indexes[i] = len(b) - count + i
	}
	return indexes
}
