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

// desk is a person's: the page of the virtual phones in a browser, and an app to play with.
type desk struct {
	*browser
	app caller
	url string // of the page
}

// TestAPersonUsesTheVirtualPhonesInABrowser runs `wasup serve --sandbox` as it stands and does everything else by hand,
// on the page whose address it prints. The steps build upon each other.
func TestAPersonUsesTheVirtualPhonesInABrowser(t *testing.T) {
	chromium(t)
	child := startChild(t, "serve", "--sandbox", "--sandbox.admin", "127.0.0.1:0", "--http.listen", "127.0.0.1:0")
	until(t, "the addresses are printed", func() bool { return strings.Contains(child.stdout.String(), "Ctrl-C") })
	app := appAt.FindStringSubmatch(child.stdout.String())
	page := phonesAt.FindStringSubmatch(child.stdout.String())
	if app == nil || page == nil {
		t.Fatalf("no addresses in\n%s", child.stdout)
	}
	d := &desk{browse(t, page[1]), newCaller(t, app[1]), page[1]}
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
		{"the weather changes", (*desk).makesWeather},
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
			d.t, d.app.tb = t, t
			step.do(d, t)
		})
		if !ok {
			break
		}
	}
	d.t = t
}

// pick takes a phone in hand.
func (d *desk) pick(name string) {
	d.press("#phones button", name)
	d.sees("#phone-title", name)
}

func (d *desk) seesThePhones(*testing.T) {
	d.sees("#link", "live")
	d.sees("#phones", "Ana")
	d.sees("#phones", "Bruno")
	d.pick("Ana")
	d.sees("#chats", "No chats yet")
	// By keyboard: the arrow moves from one tab to the other.
	d.do("move by keyboard", chromedp.Focus(chromedp.CSS("#tab-chats")), chromedp.KeyEvent(kb.ArrowRight))
	d.sees("#view-devices", "Nothing is linked")
	d.holds("the tab has the focus", `document.activeElement.id === "tab-devices"`)
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
	d.drops("#drop", blank)
	d.sees("#say.bad", "Expected a picture with one readable QR code.")
	d.forgive("status of 400")
	text := filepath.Join(t.TempDir(), "notes.txt")
	if err := os.WriteFile(text, []byte("hola"), 0o600); err != nil {
		t.Fatal(err)
	}
	d.drops("#drop", text)
	d.sees("#say.bad", "That is no picture of a QR: expected a PNG or a JPEG.")
	d.writes("#scan input", "ABCD-1234")
	d.press("#scan button", "Link")
	d.sees("#say.bad", "No client asked for a code for this number, or it does not any more.")
	d.forgive("status of 404")
}

// qr asks the app for a session's QR.
func (d *desk) qr(client int64) answer {
	return d.app.get("/qr-code", client).is(200)
}

// saved is the QR's picture as a file.
func (d *desk) saved(t *testing.T, a answer) string {
	t.Helper()
	raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(a.text("qr"), "data:image/png;base64,"))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "qr.png")
	if err := os.WriteFile(file, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// isLinked waits until the page says so and the session agrees.
func (d *desk) isLinked(number string, client int64) {
	d.t.Helper()
	d.sees("#say", "Linked as "+number)
	d.sees("#devices", number+":")
	d.isIn(client, "READY")
	d.sees("#devices", "connected")
}

func (d *desk) isIn(client int64, state string) {
	d.t.Helper()
	until(d.t, fmt.Sprintf("session %d is %s", client, state), func() bool {
		return d.app.get("/status", client).fields["state"] == state
	})
}

func (d *desk) dropsTheQR(t *testing.T) {
	d.drops("#drop", d.saved(t, d.qr(51)))
	d.isLinked(ana, 51)
	d.sees("#events", "paired")
	d.sees("#phones", "1 device")
}

func (d *desk) readsAMessage(*testing.T) {
	d.pick("Bruno")
	d.chooses("#script", "deliver")
	d.sees("#say", "Bruno only receives from now on.")
	d.press("#tab-chats", "Chats")
	d.app.send(51, bruno, "Hola Bruno, ¿mañana a las 9?").is(200)
	d.sees("#chats", "1 new")
	d.press("#chats button", "Ana")
	d.sees("#messages .message", "Hola Bruno, ¿mañana a las 9?")
	d.press("#messages button", "Mark as read")
	d.misses("#messages", "Mark as read")
	d.pick("Ana")
	d.press("#chats button", "Bruno")
	d.sees("#messages .mine", "✓✓ read")
	d.sees("#messages .mine", "device 1")
}

func (d *desk) writesAMessage(*testing.T) {
	d.writes("#write [name=text]", "Escribo yo misma, desde el teléfono")
	d.press("#write button", "Send")
	d.sees("#messages .mine", "desde el teléfono")
	d.pick("Bruno")
	d.writes("#write [name=to]", "+"+ana[:3]+" "+ana[3:])
	d.writes("#write [name=text]", "Claro. ¿Llevo algo?\r") // sent with the Enter key
	d.sees("#chat-name", "Ana")
	d.sees("#messages .mine", "✓✓ read") // Ana's phone reads by itself
	d.pictureFor("virtual-phones.png")
	d.writes("#write [name=text]", "¿Hay alguien?")
	d.press("#back", "Chats")
	d.writes("#write [name=to]", "4915100000000")
	d.press("#write button", "Send")
	d.sees("#say.bad", "Expected the number or JID of a phone of this sandbox.")
	d.forgive("status of 404")
}

func (d *desk) getsMarkup(*testing.T) {
	d.app.send(51, bruno, `<b class="planted">gordo</b><script>document.title="planted"</script>`).is(200)
	d.press("#chats button", "Ana")
	d.sees("#messages .message", `<b class="planted">gordo</b>`)
	d.holds("markup stays text", `!document.querySelector(".planted") && document.title !== "planted"`)
}

func (d *desk) makesWeather(*testing.T) {
	d.sees("#faults", "Fair weather")
	d.chooses("#kinds", "refuse_ack")
	d.press("#add-fault button", "Set")
	d.sees("#say.bad", "Code: refuse_ack needs a code from 400 to 599.")
	d.forgive("status of 400")
	d.writes("#add-fault [name=code]", "463")
	d.press("#add-fault [name=here]", "")
	d.press("#add-fault button", "Set")
	d.sees("#faults", "refuse ack 463 · Bruno · 1 to go · struck 0×")
	d.press("#add-fault [name=here]", "")
	d.press("#faults button", "Clear")
	d.sees("#faults", "Fair weather")
	d.press("#drop-all", "Cut every connection")
	d.sees("#say", "Cut: 1 connection.")
	d.isIn(51, "READY")
	d.press("summary", "Counters")
	d.sees("#counters", "pairings refused")
	d.press("summary", "Counters")
}

func (d *desk) pastesTheQR(*testing.T) {
	d.press("#tab-devices", "Linked devices")
	d.pastes(d.qr(52).text("qr"))
	d.isLinked(bruno, 52)
}

func (d *desk) unlinksAndChoosesAFile(t *testing.T) {
	d.pick("Ana")
	d.press("#devices button", "Unlink")
	d.sees("#devices", "Nothing is linked")
	d.isIn(51, "DISCONNECTED_LOGOUT")
	file := d.saved(t, d.qr(51))
	d.do("choose a file", chromedp.SetUploadFiles(chromedp.CSS("#file"), []string{file}, chromedp.NodeReady))
	d.isLinked(ana, 51)
}

func (d *desk) typesTheCode(*testing.T) {
	d.writes("#add-phone [name=name]", "Carla")
	d.writes("#add-phone [name=number]", "+49 151 12345678")
	d.press("#add-phone button", "Add a phone")
	d.sees("#phone-title", "Carla")
	d.writes("#scan input", d.qr(53).code())
	d.press("#scan button", "Link")
	d.isLinked("4915112345678", 53)
}

func (d *desk) stayedHome(*testing.T) {
	d.holds("nothing came from elsewhere", `performance.getEntriesByType("resource").every((e) => e.name.startsWith(location.origin + "/"))`)
}

// pictureFor keeps a picture of the page in the folder that WASUP_SCREENSHOTS names: docs/img is made so.
func (d *desk) pictureFor(name string) {
	if folder := os.Getenv("WASUP_SCREENSHOTS"); folder != "" {
		d.picture(filepath.Join(folder, name))
	}
}
