package whatsapp_test

import (
	"testing"

	"wasup/internal/message"
	"wasup/internal/sandbox"
	"wasup/internal/sandbox/groups"
	sandboxphones "wasup/internal/sandbox/phones"
)

// TestAGroupsMembersAreNamedInTheGroupsForm: phones find the message that another one is about by the group, the id and
// the author in exactly the group's form, whatever the caller wrote.
func TestAGroupsMembersAreNamedInTheGroupsForm(t *testing.T) {
	o := newOffice(t, sandbox.Config{})
	for _, addressing := range []string{groups.AddressingLID, groups.AddressingPN} {
		group, _ := o.group(addressing)
		both := address(o.friend)
		for name, sender := range map[string]message.Address{
			"both": both, "LID": {LID: both.LID}, "number": {PN: both.PN},
		} {
			t.Run(addressing+" group, author by "+name, func(t *testing.T) {
				theirs, err := o.friend.SendMessage(testContext(t), sandboxphones.Outgoing{To: string(group), Kind: sandboxphones.KindText, Text: "hi"})
				if err != nil {
					t.Fatal(err)
				}
				shows(t, o.own, theirs, nil)
				ref := &message.Ref{ID: theirs, Sender: sender, Text: "hi"}
				o.send(group, message.Content{Kind: message.KindReaction, Target: ref, Reaction: "👍"})
				reply := o.send(group, message.Content{Kind: message.KindText, Text: "hello", Quote: ref})
				own := o.send(group, message.Content{Kind: message.KindText, Text: "again", Quote: &message.Ref{ID: reply, FromMe: true, Text: "hello"}})
				for _, phone := range []*sandbox.Phone{o.friend, o.own} {
					shows(t, phone, theirs, func(m sandboxphones.Message) bool { return len(m.Reactions) == 1 })
					shows(t, phone, reply, func(m sandboxphones.Message) bool {
						return m.Quote != nil && m.Quote.Found && m.Quote.From == o.friend.JID()
					})
					shows(t, phone, own, func(m sandboxphones.Message) bool {
						return m.Quote != nil && m.Quote.Found && m.Quote.From == o.own.JID()
					})
				}
				if err := o.client.MarkRead(testContext(t), message.ReadMark{Chat: group, IDs: []string{theirs}, Sender: sender}); err != nil {
					t.Fatal(err)
				}
				shows(t, o.friend, theirs, func(m sandboxphones.Message) bool { return m.Status == sandboxphones.StatusRead })
			})
		}
	}
	o.done()
}

func TestAnAdministratorRevokesByAnyFormOfTheAuthor(t *testing.T) {
	o := newOffice(t, sandbox.Config{})
	for _, addressing := range []string{groups.AddressingLID, groups.AddressingPN} {
		jid, err := o.own.CreateGroup(testContext(t), sandboxphones.NewGroup{Subject: "Ours", Addressing: addressing, Members: []string{o.friend.Number()}})
		if err != nil {
			t.Fatal(err)
		}
		for _, sender := range []message.Address{{LID: o.friend.LID().String()}, {PN: o.friend.JID().String()}} {
			theirs, err := o.friend.SendGroupText(testContext(t), jid, "spam")
			if err != nil {
				t.Fatal(err)
			}
			shows(t, o.own, theirs, nil)
			o.send(message.Recipient(jid.String()), message.Content{Kind: message.KindRevoke, Target: &message.Ref{ID: theirs, Sender: sender}})
			shows(t, o.friend, theirs, func(m sandboxphones.Message) bool { return m.Revoked })
		}
	}
	o.done()
}
