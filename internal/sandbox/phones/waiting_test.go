package phones_test

import (
	"testing"

	waBinary "go.mau.fi/whatsmeow/binary"

	"wasup/internal/sandbox/accounts"
	"wasup/internal/sandbox/phones"
)

func TestAPhoneWaitsForWhatItCannotDecryptUnlessItIsHidden(t *testing.T) {
	n := newNetwork(t)
	ana, bea := newPhone(t, n), newPhone(t, n)
	send := func(id string, attrs ...string) {
		enc := waBinary.Node{Tag: "enc", Attrs: waBinary.Attrs{"v": "2", "type": "msg"}, Content: []byte("noise")}
		for _, name := range attrs {
			enc.Attrs[name] = "hide"
		}
		n.Router.RouteMessage(accounts.Origin{Account: ana.Account}, &waBinary.Node{
			Tag: "message", Attrs: waBinary.Attrs{"id": id, "to": bea.LID(), "type": "text"}, Content: []waBinary.Node{enc},
		})
	}
	send("HIDDEN", "decrypt-fail")
	send("SHOWN")
	if _, err := bea.WaitMessage(testContext(t), func(m phones.Message) bool { return m.ID == "SHOWN" && m.Kind == phones.KindWaiting }); err != nil {
		t.Fatal(err)
	}
	if got := bea.Messages(); len(got) != 1 {
		t.Errorf("the phone shows %+v", got)
	}
}
