package main

import (
	"encoding/base64"
	"fmt"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"wasup/internal/app/apptest"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

const (
	ana   = "5491155550101"
	bruno = "34600111222"
)

var (
	appAt    = regexp.MustCompile(`(?m)^wasup +(http://\S+)/$`)
	phonesAt = regexp.MustCompile(`(?m)^phones +(http://\S+/) `)
)

// desk is the page of the virtual phones in a browser, with a wasup to try it on.
type desk struct {
	*apptest.Browser
	app apptest.Caller
	url string // URL of the page
}

// TestAPersonUsesTheVirtualPhonesInABrowser runs `wasup serve --sandbox` and does everything else as a person would, on
// the page whose address it prints. Each step depends on the ones before.
func TestAPersonUsesTheVirtualPhonesInABrowser(t *testing.T) {
	apptest.Chromium(t)
	child := apptest.StartChild(t, "serve", "--sandbox", "--sandbox.admin", "127.0.0.1:0", "--http.listen", "127.0.0.1:0")
	apptest.Until(t, "the addresses are printed", func() bool { return strings.Contains(child.Stdout.String(), "Ctrl-C") })
	app := appAt.FindStringSubmatch(child.Stdout.String())
	page := phonesAt.FindStringSubmatch(child.Stdout.String())
	if app == nil || page == nil {
		t.Fatalf("no addresses in\n%s", child.Stdout)
	}
	d := &desk{apptest.Browse(t, page[1]), apptest.NewCaller(t, app[1]), page[1]}
	for _, step := range []struct {
		name string
		do   func(*desk, *testing.T)
	}{
		{"the phones are there at once", (*desk).seesThePhones},
		{"a picture without a QR is refused in words", (*desk).dropsTheWrongPicture},
		{"the QR of a session is dropped on the page", (*desk).dropsTheQR},
		{"a message arrives and is read", (*desk).readsAMessage},
		{"a message is written", (*desk).writesAMessage},
		{"a text is never a piece of the page", (*desk).getsMarkup},
		{"faults are set and cleared", (*desk).setsFaults},
		{"a second session is linked by pasting", (*desk).pastesTheQR},
		{"a device is unlinked and linked again from a file", (*desk).unlinksAndChoosesAFile},
		{"a new phone is linked by text", (*desk).typesTheCode},
		{"a reaction is given and taken back by a click", (*desk).reacts},
		{"a message is answered, edited and deleted", (*desk).answersEditsAndDeletes},
		{"typing is seen on the other side", (*desk).seesTyping},
		{"one calls, and the other takes it or not", (*desk).calls},
		{"a poll is asked and voted on", (*desk).votes},
		{"a picture is sent, shown and opened", (*desk).sendsAPicture},
		{"a document and a voice message arrive", (*desk).getsFiles},
		{"a profile has a picture and an about text", (*desk).showsAProfile},
		{"a group is made, talks and changes", (*desk).talksInAGroup},
		{"a scenario is played and stopped", (*desk).playsAScenario},
		{"everything came from the sandbox itself", (*desk).stayedHome},
	} {
		ok := t.Run(step.name, func(t *testing.T) {
			d.T, d.app.TB = t, t
			step.do(d, t)
		})
		if !ok {
			break
		}
	}
	d.T = t
}

// pick selects a phone.
func (d *desk) pick(name string) {
	d.Press("#phones button", name)
	d.Sees("#phone-title", name)
}

func (d *desk) seesThePhones(*testing.T) {
	d.Sees("#link", "live")
	d.Sees("#phones", "Ana")
	d.Sees("#phones", "Bruno")
	d.pick("Ana")
	d.Sees("#chats", "No chats yet")
	// The arrow key moves from one tab to the other.
	d.Do("move by keyboard", chromedp.Focus(chromedp.CSS("#tab-chats")), chromedp.KeyEvent(kb.ArrowRight))
	d.Sees("#view-devices", "No linked devices")
	d.Holds("the tab has the focus", `document.activeElement.id === "tab-devices"`)
}

func (d *desk) dropsTheWrongPicture(t *testing.T) {
	blank := filepath.Join(t.TempDir(), "blank.png")
	file, err := os.Create(blank)
	if err == nil {
		err = png.Encode(file, image.NewGray(image.Rect(0, 0, 90, 90)))
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	d.Drops("#drop", blank)
	d.Sees("#say.bad", "Expected a picture with one readable QR code.")
	d.Forgive("status of 400")
	text := filepath.Join(t.TempDir(), "notes.txt")
	if err := os.WriteFile(text, []byte("hola"), 0o600); err != nil {
		t.Fatal(err)
	}
	d.Drops("#drop", text)
	d.Sees("#say.bad", "That is not a picture of a QR: expected a PNG or a JPEG.")
	d.Writes("#scan input", "ABCD-1234")
	d.Press("#scan button", "Link")
	d.Sees("#say.bad", "No client asked for a code for this number, or it does not any more.")
	d.Forgive("status of 404")
}

// qr requests a session's QR from wasup.
func (d *desk) qr(client int64) apptest.Answer {
	return d.app.Get("/qr-code", client).Is(200)
}

// saved writes the picture of a QR to a file and returns its path.
func (d *desk) saved(t *testing.T, a apptest.Answer) string {
	t.Helper()
	raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(a.Text("qr"), "data:image/png;base64,"))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "qr.png")
	if err := os.WriteFile(file, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// isLinked waits until the page shows the device and the session is READY.
func (d *desk) isLinked(number string, client int64) {
	d.T.Helper()
	d.Sees("#say", "Linked as "+number)
	d.Sees("#devices", number+":")
	d.isIn(client, "READY")
	d.Sees("#devices", "connected")
}

func (d *desk) isIn(client int64, state string) {
	d.T.Helper()
	apptest.Until(d.T, fmt.Sprintf("session %d is %s", client, state), func() bool {
		return d.app.Get("/status", client).Fields["state"] == state
	})
}

func (d *desk) dropsTheQR(t *testing.T) {
	d.Drops("#drop", d.saved(t, d.qr(51)))
	d.isLinked(ana, 51)
	d.Sees("#events", "paired")
	d.Sees("#phones", "1 device")
}

func (d *desk) readsAMessage(*testing.T) {
	d.pick("Bruno")
	d.Chooses("#script", "deliver")
	d.Sees("#say", "Bruno only receives from now on.")
	d.Press("#tab-chats", "Chats")
	d.app.Send(51, bruno, "Hola Bruno, ¿mañana a las 9?").Is(200)
	d.Sees("#chats", "1 new")
	d.Press("#chats button", "Ana")
	d.Sees("#messages .message", "Hola Bruno, ¿mañana a las 9?")
	d.Press("#messages button", "Mark as read")
	d.Misses("#messages", "Mark as read")
	d.pick("Ana")
	d.Press("#chats button", "Bruno")
	d.Sees("#messages .mine", "✓✓ read")
	d.Sees("#messages .mine", "device 1")
}

func (d *desk) writesAMessage(*testing.T) {
	d.Writes("#write [name=text]", "Escribo yo misma, desde el teléfono")
	d.Press("#write button", "Send")
	d.Sees("#messages .mine", "desde el teléfono")
	d.pick("Bruno")
	d.Writes("#write [name=to]", "+"+ana[:3]+" "+ana[3:])
	d.Writes("#write [name=text]", "Claro. ¿Llevo algo?\r") // sent with the Enter key
	d.Sees("#chat-name", "Ana")
	d.Sees("#messages .mine", "✓✓ read") // Ana's phone reads messages automatically
	d.pictureFor("virtual-phones.png")
	d.Writes("#write [name=text]", "¿Hay alguien?")
	d.Press("#back", "Chats")
	d.Writes("#write [name=to]", "4915100000000")
	d.Press("#write button", "Send")
	d.Sees("#say.bad", "Expected the number or JID of a phone of this sandbox.")
	d.Forgive("status of 404")
}

func (d *desk) getsMarkup(*testing.T) {
	d.app.Send(51, bruno, `<b class="planted">gordo</b><script>document.title="planted"</script>`).Is(200)
	d.Press("#chats button", "Ana")
	d.Sees("#messages .message", `<b class="planted">gordo</b>`)
	d.Holds("markup stays text", `!document.querySelector(".planted") && document.title !== "planted"`)
}

func (d *desk) setsFaults(*testing.T) {
	d.Sees("#faults", "No active faults")
	d.Chooses("#kinds", "refuse_ack")
	d.Press("#add-fault button", "Set")
	d.Sees("#say.bad", "Code: refuse_ack needs a code from 400 to 599.")
	d.Forgive("status of 400")
	d.Writes("#add-fault [name=code]", "463")
	d.Press("#add-fault [name=here]", "")
	d.Press("#add-fault button", "Set")
	d.Sees("#faults", "refuse ack 463 · Bruno · 1 left · applied 0×")
	d.Press("#add-fault [name=here]", "")
	d.Press("#faults button", "Clear")
	d.Sees("#faults", "No active faults")
	d.Press("#drop-all", "Cut all connections")
	d.Sees("#say", "Cut: 1 connection.")
	d.isIn(51, "READY")
	d.Press("summary", "Counters")
	d.Sees("#counters", "pairings refused")
	d.Press("summary", "Counters")
}

func (d *desk) pastesTheQR(*testing.T) {
	d.Press("#tab-devices", "Linked devices")
	d.Pastes(d.qr(52).Text("qr"))
	d.isLinked(bruno, 52)
}

func (d *desk) unlinksAndChoosesAFile(t *testing.T) {
	d.pick("Ana")
	d.Press("#devices button", "Unlink")
	d.Sees("#devices", "No linked devices")
	d.isIn(51, "DISCONNECTED_LOGOUT")
	file := d.saved(t, d.qr(51))
	d.Do("choose a file", chromedp.SetUploadFiles(chromedp.CSS("#file"), []string{file}, chromedp.NodeReady))
	d.isLinked(ana, 51)
}

func (d *desk) typesTheCode(*testing.T) {
	d.Writes("#add-phone [name=name]", "Carla")
	d.Writes("#add-phone [name=number]", "+49 151 12345678")
	d.Press("#add-phone button", "Add a phone")
	d.Sees("#phone-title", "Carla")
	d.Writes("#scan input", d.qr(53).Code())
	d.Press("#scan button", "Link")
	d.isLinked("4915112345678", 53)
}

func (d *desk) stayedHome(*testing.T) {
	d.Holds("nothing came from elsewhere", `performance.getEntriesByType("resource").every((e) => e.name.startsWith(location.origin + "/"))`)
}

// pictureFor saves a screenshot of the page in the folder WASUP_SCREENSHOTS, if it is set. The pictures in docs/img
// come from it.
func (d *desk) pictureFor(name string) {
	if folder := os.Getenv("WASUP_SCREENSHOTS"); folder != "" {
		d.Picture(filepath.Join(folder, name))
	}
}
