package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"io"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"wasup/internal/events"
	"wasup/internal/sandbox/admin"
)

// opens selects a phone and opens one of its chats.
func (d *desk) opens(phone, chat string) {
	d.T.Helper()
	d.Press("#tab-chats", "Chats")
	d.pick(phone)
	d.Press("#chats button", chat)
	d.Sees("#chat-name", chat)
}

// choosesFor opens the menu of the last message with a text and chooses an item.
func (d *desk) choosesFor(text, item string) {
	d.T.Helper()
	d.Holds("the menu of "+text+" opens", `{ const m = [...document.querySelectorAll("#messages .message")].findLast((e) => e.innerText.includes(args[0]));
		if (!m) return false; const menu = document.querySelector("#menu"); menu.removeAttribute("data-told");
		menu.addEventListener("toggle", function told(e) { if (e.newState !== "closed") return; menu.setAttribute("data-told", ""); menu.removeEventListener("toggle", told); });
		m.querySelector(".more").click(); return menu.matches(":popover-open"); }`, text)
	d.Press("#menu button", item)
	d.Holds("the menu is closed and the page was told", `document.querySelector("#menu").matches("[data-told]:not(:popover-open)")`)
}

// api makes a request to the admin API, as a script would.
func (d *desk) api(method, path, contentType string, body []byte) []byte {
	d.T.Helper()
	request, err := http.NewRequestWithContext(d.T.Context(), method, d.url+admin.Prefix+path, bytes.NewReader(body))
	if err != nil {
		d.T.Fatal(err)
	}
	request.Header.Set("Content-Type", contentType)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		d.T.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	raw, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode >= 300 {
		d.T.Fatalf("%s %s answered %s: %s, %v", method, path, response.Status, raw, err)
	}
	return raw
}

func (d *desk) reacts(*testing.T) {
	d.opens("Bruno", "Ana")
	d.choosesFor("Hola Bruno", "❤️")
	d.Sees("#messages .message .reactions", "❤️")
	d.Holds("it is one's own", `document.querySelector("#messages .reactions button").getAttribute("aria-pressed") === "true"`)
	d.opens("Ana", "Bruno")
	d.Sees("#messages .mine .reactions", "❤️")
	d.Press("#messages .reactions button", "❤️") // the recipient reacts as well
	d.Sees("#messages .mine .reactions", "❤️ 2")
	d.Press("#messages .reactions button", "❤️ 2")
	d.Misses("#messages .mine .reactions", "2")
}

func (d *desk) answersEditsAndDeletes(*testing.T) {
	d.Writes("#write [name=text]", "") // clear the begun text
	d.choosesFor("¿Llevo algo?", "Reply")
	d.Sees("#about", "Reply to Bruno")
	d.Do("write at once, where the focus is", chromedp.KeyEvent("Un paraguas\r"))
	d.Sees("#messages .mine .quote", "Claro. ¿Llevo algo?")
	d.Misses("#about", "Reply")
	d.choosesFor("Un paraguas", "Edit")
	d.Holds("its text is there", `document.querySelector("#write [name=text]").value === "Un paraguas"`)
	d.Writes("#write [name=text]", "Un paraguas y pan\r")
	d.Sees("#messages .mine", "Un paraguas y pan")
	d.Sees("#messages .mine footer", "edited")
	d.Writes("#write [name=text]", "Esto no\r")
	d.Sees("#messages .mine", "Esto no")
	d.choosesFor("Esto no", "Delete for everybody")
	d.Sees("#messages .mine", "This message was deleted.")
	d.opens("Bruno", "Ana")
	d.Sees("#messages .message .quote", "Claro. ¿Llevo algo?")
	d.Sees("#messages .message", "Un paraguas y pan")
	d.Sees("#messages .message", "This message was deleted.")
	d.Misses("#messages .message", "Esto no")
}

func (d *desk) seesTyping(*testing.T) {
	typing := `{"to":"` + bruno + `","state":"composing"}`
	d.api("POST", "/phones/"+ana+"/chat-state", "application/json", []byte(typing))
	d.Sees("#chat-about", "typing…")
	d.api("POST", "/phones/"+ana+"/chat-state", "application/json", []byte(`{"to":"`+bruno+`","state":"paused"}`))
	d.Misses("#chat-about", "typing…")
	// Typing on the page is shown on the other side.
	d.Writes("#write [name=text]", "Voy")
	d.Sees("#events", "chat state Ana · composing "+bruno)
	d.Do("send it", chromedp.SendKeys(chromedp.CSS("#write [name=text]"), kb.Enter))
	d.Sees("#messages .mine", "Voy")
}

func (d *desk) calls(t *testing.T) {
	d.opens("Ana", "Bruno")
	d.Press("#call-video", "")
	d.Sees("#calls", "Bruno")
	d.Sees("#calls", "video call, calling…")
	d.opens("Bruno", "Ana")
	d.Sees("#calls", "video call, ringing")
	d.Press("#calls button", "Accept")
	d.Sees("#calls", "video call, in progress")
	d.Press("#calls button", "Hang up")
	d.Sees("#messages .note", "Their video call: ended")
	d.Holds("nothing rings", `document.querySelector("#calls").hidden`)
	d.Press("#call-voice", "☎")
	d.opens("Ana", "Bruno")
	d.Sees("#messages .note", "Your video call: ended")
	d.Press("#calls button", "Decline")
	d.Sees("#messages .note", "Their voice call: declined")
	// Place a call to a phone that is not selected and whose chat is not open.
	d.Press("#tab-devices", "Linked devices")
	d.api("POST", "/phones/"+bruno+"/calls", "application/json", []byte(`{"to":"`+ana+`"}`))
	d.Sees("#calls", "voice call, ringing")
	d.Press("#calls button", "Decline")
	d.Press("#tab-chats", "Chats")
	// Ana's session has events of all calls.
	var log strings.Builder
	for _, entry := range d.app.Logged(t, "51", events.TypeCall, 4) {
		log.Write(entry.Data)
	}
	if strings.Count(log.String(), `"ringing"`) != 2 || strings.Count(log.String(), `"rejected"`) != 2 {
		t.Errorf("the session's log has %s", log.String())
	}
	d.opens("Bruno", "Ana")
}

func (d *desk) votes(*testing.T) {
	d.Press("#attach", "+")
	d.Press("#attach-menu button", "Poll")
	d.Writes("#poll [name=question]", "¿A qué hora?")
	d.Writes("#poll [name=options]", "A las 9")
	d.Press("#poll button", "Send the poll")
	d.Sees("#say.bad", "Options: expected 2 to 12 different ones.")
	d.Forgive("status of 400")
	d.Writes("#poll [name=options]", "A las 9\rA las 10\rMás tarde")
	d.Press("#poll [name=one]", "")
	d.Press("#poll button", "Send the poll")
	d.Sees("#messages .mine .poll", "Choose one")
	d.Press("#messages .option", "A las 9")
	d.Holds("the vote counts", `document.querySelector("#messages .option[aria-pressed=true]")?.innerText.includes("A las 9")`)
	d.opens("Ana", "Bruno")
	d.Press("#messages .option", "A las 10")
	d.Holds("both votes count", `[...document.querySelectorAll("#messages .option b")].map((e) => e.innerText).join() === "1,1,0"`)
	d.Press("#messages .option", "A las 9") // a single-choice poll: the vote moves
	d.Holds("the vote moves", `[...document.querySelectorAll("#messages .option b")].map((e) => e.innerText).join() === "2,0,0"`)
}

// landscape draws a picture for the screenshots.
func landscape(t *testing.T, wide, high int) image.Image {
	t.Helper()
	picture := image.NewRGBA(image.Rect(0, 0, wide, high))
	mix := func(a, b color.RGBA, f float64) color.RGBA {
		part := func(x, y uint8) uint8 { return uint8(float64(x)*(1-f) + float64(y)*f) }
		return color.RGBA{part(a.R, b.R), part(a.G, b.G), part(a.B, b.B), 255}
	}
	for y := range high {
		for x := range wide {
			fx, fy := float64(x)/float64(wide), float64(y)/float64(high)
			c := mix(color.RGBA{70, 130, 200, 255}, color.RGBA{255, 214, 170, 255}, math.Min(1, fy*1.7))
			if math.Hypot(fx-.72, (fy-.36)*float64(high)/float64(wide)) < .07 {
				c = color.RGBA{255, 244, 200, 255}
			}
			if fy > .55+.09*math.Sin(fx*7+1) {
				c = color.RGBA{96, 132, 122, 255}
			}
			if fy > .7+.07*math.Sin(fx*5-1) {
				c = mix(color.RGBA{64, 108, 72, 255}, color.RGBA{36, 66, 48, 255}, fy)
			}
			picture.SetRGBA(x, y, c)
		}
	}
	return picture
}

// savedPicture writes a picture to a file and returns its path.
func savedPicture(t *testing.T, name string, wide, high int) string {
	t.Helper()
	var raw bytes.Buffer
	encode := png.Encode
	if filepath.Ext(name) == ".jpg" {
		encode = func(w io.Writer, m image.Image) error { return jpeg.Encode(w, m, &jpeg.Options{Quality: 85}) }
	}
	if err := encode(&raw, landscape(t, wide, high)); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, raw.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func (d *desk) sendsAPicture(t *testing.T) {
	d.Writes("#write [name=text]", "Vista desde casa")
	d.Do("choose a picture", chromedp.SetUploadFiles(chromedp.CSS("#attach-file"), []string{savedPicture(t, "casa.jpg", 900, 600)}, chromedp.NodeReady))
	d.Holds("it is shown", `{ const image = document.querySelector("#messages .mine .photo"); return image?.complete && image.naturalWidth === 900; }`)
	d.Sees("#messages .mine", "Vista desde casa")
	d.opens("Bruno", "Ana")
	d.Holds("it arrived", `document.querySelector("#messages .message:not(.mine) .photo")?.naturalWidth === 900`)
	d.pictureFor("virtual-phones.png")
	d.Press("#messages .open", "")
	d.Holds("it is open in full", `{ const full = document.querySelector("#full-picture"); return document.querySelector("#full").open && full.complete && full.naturalWidth === 900; }`)
	d.Sees("#full", "900 × 600")
	d.Press("#full button", "Close")
	// After the file was removed from the server, the page shows the thumbnail of the message.
	d.Do("send another", chromedp.SetUploadFiles(chromedp.CSS("#attach-file"), []string{savedPicture(t, "otra.png", 300, 200)}, chromedp.NodeReady))
	d.Holds("it is shown", `[...document.querySelectorAll("#messages .mine .photo")].at(-1)?.naturalWidth === 300`)
	var files struct{ Media []struct{ ID, Type string } }
	if err := json.Unmarshal(d.api("GET", "/media", "", nil), &files); err != nil || len(files.Media) == 0 {
		t.Fatalf("%+v, %v", files, err)
	}
	d.Forgive("status of 410")
	d.api("DELETE", "/media/"+files.Media[len(files.Media)-1].ID, "", nil)
	d.opens("Ana", "Bruno")
	d.Sees("#messages .message", "The file is gone from the server.")
	d.Holds("its thumbnail is left", `document.querySelector("#messages img.photo[src^='data:image/jpeg']")?.naturalWidth === 96`)
}

func (d *desk) getsFiles(t *testing.T) {
	d.opens("Bruno", "Ana")
	file := filepath.Join(t.TempDir(), "plan.txt")
	if err := os.WriteFile(file, []byte("primero el pan, luego el paraguas"), 0o600); err != nil {
		t.Fatal(err)
	}
	d.Drops("#chat", file) // a file that is dropped on an open chat is sent
	d.Sees("#messages .mine .paper", "plan.txt")
	d.Sees("#messages .mine .paper", "33 bytes")
	voice, err := json.Marshal(map[string]any{"to": bruno, "kind": "audio", "media": map[string]any{
		"data": base64.StdEncoding.EncodeToString(silence()), "mime": "audio/wav", "voice": true, "seconds": 2,
	}})
	if err != nil {
		t.Fatal(err)
	}
	d.api("POST", "/phones/"+ana+"/messages", "application/json", voice)
	d.Sees("#messages .message .sound", "voice message · 0:02")
	d.Holds("the browser can play it", `{ const sound = document.querySelector("#messages audio"); return sound.readyState >= 1 && Math.round(sound.duration) === 2; }`)
	d.Holds("the document can be fetched", `{ window.fetched ??= fetch(document.querySelector("#messages .mine .download").href).then((r) => r.text()).then((text) => { window.got = text; });
		return window.got === "primero el pan, luego el paraguas"; }`)
	d.Holds("under its name", `document.querySelector("#messages .mine .download").download === "plan.txt"`)
}

// silence returns two seconds of silence as WAV.
func silence() []byte {
	const rate, seconds = 8000, 2
	header := []byte("RIFF\x24\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00\x40\x1f\x00\x00\x40\x1f\x00\x00\x01\x00\x08\x00data\x80\x3e\x00\x00")
	return append(header, bytes.Repeat([]byte{128}, rate*seconds)...)
}

func (d *desk) showsAProfile(t *testing.T) {
	d.Press("#profile-open", "")
	d.Sees("#profile-name", "Bruno")
	d.Do("choose a picture", chromedp.SetUploadFiles(chromedp.CSS("#picture-file"), []string{savedPicture(t, "cara.png", 500, 300)}, chromedp.NodeReady))
	d.Holds("it is shown, cut square", `{ const face = document.querySelector("#profile-face img"); return face?.complete && face.naturalWidth === 300 && face.naturalHeight === 300; }`)
	d.Writes("#profile-about input", "En la montaña")
	d.Press("#profile-about button", "Save")
	d.Sees("#say", "The about text is saved.")
	d.Press("#profile button", "Close")
	d.opens("Ana", "Bruno")
	d.Sees("#chat-about", "En la montaña")
	d.Holds("the chat shows the picture", `document.querySelector("#chat-face img")?.naturalWidth === 300`)
}

func (d *desk) talksInAGroup(*testing.T) {
	d.Press("#back", "Chats")
	d.Press("#new-group", "New group")
	d.Writes("#make-group [name=subject]", "Excursión")
	d.Press("#make-group button", "Create the group")
	d.Sees("#say.bad", "Choose at least one phone.")
	d.Press(`#group-people [value="`+bruno+`"]`, "")
	d.Press(`#group-people [value="4915112345678"]`, "")
	d.Press("#make-group button", "Create the group")
	d.Sees("#chat-name", "Excursión")
	d.Sees("#chat-about", "Bruno")
	d.Writes("#write [name=text]", "¿Quién viene el sábado?\r")
	d.Sees("#messages .mine", "¿Quién viene el sábado?")
	d.opens("Carla", "Excursión")
	d.Sees("#messages .sender", "Ana")
	d.Writes("#write [name=text]", "Yo sí\r")
	d.Sees("#messages .mine", "Yo sí")
	d.opens("Bruno", "Excursión")
	d.Sees("#messages .sender", "Carla")
	d.choosesFor("Yo sí", "❤️")
	d.Sees("#messages .reactions", "❤️")
	d.Writes("#write [name=text]", "Yo llevo el mapa\r")
	d.Sees("#messages .mine", "Yo llevo el mapa")
	d.opens("Ana", "Excursión")
	d.Sees("#messages .message", "Yo llevo el mapa")
	d.pictureFor("virtual-phones-group.png")
	d.Press("#group-open", "Members")
	d.Sees("#members", "You")
	d.Sees("#members", "made the group")
	d.Holds("Carla leaves", `{ const row = [...document.querySelectorAll("#members li")].find((e) => e.innerText.includes("Carla"));
		[...row.querySelectorAll("button")].find((b) => b.innerText === "Remove").click(); return true; }`)
	d.Misses("#members", "Carla")
	d.Press("#add-member button", "Add")
	d.Sees("#members", "Carla")
	d.Press("#group-link", "Invite link")
	d.Sees("#say", "https://chat.whatsapp.com/")
	d.Press("#group button", "Close")
}

func (d *desk) playsAScenario(t *testing.T) {
	d.Sees("#library-about", "temporary ban")
	d.Chooses("#library", "slow-acks")
	d.Press("#play button", "Play")
	d.Sees("#scenarios", "slow-acks")
	d.Press("#scenarios button", "Stop")
	d.Sees("#scenarios", "stopped")
	file := filepath.Join(t.TempDir(), "mine.yaml")
	if err := os.WriteFile(file, []byte("name: mine\nsteps:\n  - at: noon\n    drop: {}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	d.Do("choose a file with a mistake", chromedp.SetUploadFiles(chromedp.CSS("#scenario-file"), []string{file}, chromedp.NodeReady))
	d.Sees("#say.bad", "line 3: at: expected a duration")
	d.Forgive("status of 400")
}
