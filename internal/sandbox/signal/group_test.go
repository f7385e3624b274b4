package signal

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
	"time"

	waBinary "go.mau.fi/whatsmeow/binary"
)

func TestWhatsmeowReadsThePhonesGroupMessages(t *testing.T) {
	phone, client := newDevice(t), newCompanion(t).linked()
	skdm, err := phone.CreateSenderKey(groupJID, phoneLID)
	must(t, err)
	client.client.DangerousInternals().HandleSenderKeyDistributionMessage(t.Context(), groupJID, phoneLID, skdm)
	for i := range 3 {
		text := fmt.Sprintf("to all %d", i)
		ciphertext, err := phone.GroupEncrypt(groupJID, phoneLID, Pad([]byte(text)))
		must(t, err)
		node := &waBinary.Node{Tag: "enc", Attrs: waBinary.Attrs{"v": "2", "type": TypeSenderKeyMessage}, Content: ciphertext}
		got, _, err := client.client.DangerousInternals().DecryptGroupMsg(t.Context(), node, phoneLID, groupJID, time.Now())
		must(t, err)
		if string(got) != text {
			t.Fatalf("the client reads %q", got)
		}
	}
}

func TestAMemberReadsEachGroupMessageOnce(t *testing.T) {
	sender, member := newDevice(t), newDevice(t)
	first, err := sender.CreateSenderKey(groupJID, phoneLID)
	must(t, err)
	again, err := sender.CreateSenderKey(groupJID, phoneLID)
	must(t, err)
	if !bytes.Equal(first, again) {
		t.Fatal("the second call made another key")
	}
	ciphertext, err := sender.GroupEncrypt(groupJID, phoneLID, Pad([]byte("hello")))
	must(t, err)
	if _, err := member.GroupDecrypt(groupJID, phoneLID, ciphertext); !errors.Is(err, ErrNoSession) {
		t.Fatalf("without the key: %v", err)
	}
	must(t, member.ProcessSenderKey(groupJID, phoneLID, first))
	padded, err := member.GroupDecrypt(groupJID, phoneLID, ciphertext)
	must(t, err)
	if text, err := Unpad(padded); err != nil || string(text) != "hello" {
		t.Fatalf("reads %q, %v", text, err)
	}
	if _, err := member.GroupDecrypt(groupJID, phoneLID, ciphertext); !errors.Is(err, ErrDuplicate) {
		t.Fatalf("the repeated message gives %v", err)
	}
}

func TestForgedAndMalformedGroupMessagesFail(t *testing.T) {
	sender, member := newDevice(t), newDevice(t)
	skdm, err := sender.CreateSenderKey(groupJID, phoneLID)
	must(t, err)
	must(t, member.ProcessSenderKey(groupJID, phoneLID, skdm))
	ciphertext, err := sender.GroupEncrypt(groupJID, phoneLID, Pad([]byte("hello")))
	must(t, err)
	for _, i := range append([]int{0}, lastIndexes(ciphertext, 80)...) {
		forged := bytes.Clone(ciphertext)
		forged[i] ^= 0x40
		if _, err := member.GroupDecrypt(groupJID, phoneLID, forged); err == nil {
			t.Fatalf("the message with byte %d changed was accepted", i)
		}
	}
	for _, raw := range [][]byte{nil, {0x33}, bytes.Repeat([]byte{0x33}, 80)} {
		if _, err := member.GroupDecrypt(groupJID, phoneLID, raw); !errors.Is(err, ErrMalformed) {
			t.Errorf("message %x gives %v", raw, err)
		}
		if err := member.ProcessSenderKey(groupJID, phoneLID, raw); !errors.Is(err, ErrMalformed) {
			t.Errorf("key %x gives %v", raw, err)
		}
	}
	if _, err := member.GroupEncrypt(groupJID, companionLID, Pad([]byte("x"))); !errors.Is(err, ErrNoSession) {
		t.Errorf("GroupEncrypt without a key gives %v", err)
	}
}
