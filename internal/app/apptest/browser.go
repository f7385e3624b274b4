package apptest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"wasup/internal/testtools"
)

// Browser is a headless Chromium with one open page. It collects the errors of the page's console.
type Browser struct {
	T   testing.TB
	Ctx context.Context

	forgiven []string // texts: a complaint that contains one is ignored

	mu         sync.Mutex
	complaints []string
}

// Chromium returns the path of the installed browser. The test is skipped or fails if there is none.
func Chromium(t testing.TB) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	testtools.Missing(t, "Chromium (chromium on the PATH)")
	return ""
}

// Browse opens a page in a browser with an empty profile that can reach only this machine.
func Browse(t testing.TB, url string) *Browser {
	t.Helper()
	return BrowseWith(t, url, "")
}

// BrowseWith is Browse for a browser to which one more name resolves to this machine.
func BrowseWith(t testing.TB, url, name string) *Browser {
	t.Helper()
	rules := "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
	if name != "" {
		rules = "MAP " + name + " 127.0.0.1, " + rules
	}
	// A browser may still write its folder after it was closed, so the folder is not the test's own.
	profile, err := os.MkdirTemp("", "wasup-browser-")
	if err != nil {
		t.Fatal(err)
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(Chromium(t)), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.UserDataDir(profile),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("host-resolver-rules", rules), chromedp.WindowSize(1360, 860),
	)
	allocator, release := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, closeTab := chromedp.NewContext(allocator)
	b := &Browser{T: t, Ctx: ctx}
	t.Cleanup(func() {
		if t.Failed() {
			b.Picture(filepath.Join(os.TempDir(), "wasup-page-failed.png"))
		}
		if err := chromedp.Cancel(ctx); err != nil {
			t.Logf("the browser did not close by itself: %v", err)
		}
		closeTab()
		release()
		for _, complaint := range b.complained() {
			t.Errorf("the browser complained: %s", complaint)
		}
		if err := os.RemoveAll(profile); err != nil {
			t.Logf("the browser still writes its profile: %v", err)
		}
	})
	// The first action starts the browser. It must have no deadline, because the deadline would end the browser too.
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("start the browser: %v", err)
	}
	if err := chromedp.Listen(ctx, b.hear); err != nil {
		t.Fatal(err)
	}
	b.Do("open the page", chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, log.Enable, cdp.Empty{})
		return err
	}), chromedp.Navigate(url))
	return b
}

// hear collects the errors that the console shows: exceptions, refused content, failed requests.
func (b *Browser) hear(event any) {
	var complaint string
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		complaint = e.ExceptionDetails.Text
		if thrown := e.ExceptionDetails.Exception; thrown != nil {
			complaint += " " + thrown.Description
		}
	case *log.EventEntryAdded:
		if e.Entry.Level != log.EntryLevelError {
			return
		}
		complaint = e.Entry.Text + " " + e.Entry.URL
	default:
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.complaints = append(b.complaints, complaint)
}

func (b *Browser) complained() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(b.complaints), func(complaint string) bool {
		return slices.ContainsFunc(b.forgiven, func(part string) bool { return strings.Contains(complaint, part) })
	})
}

// Forgive ignores complaints that contain part: those that the test causes on purpose, such as a refused request.
func (b *Browser) Forgive(part string) { b.forgiven = append(b.forgiven, part) }

func (b *Browser) Do(what string, steps ...chromedp.Action[chromedp.Void]) {
	b.T.Helper()
	ctx, cancel := context.WithTimeout(b.Ctx, Patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		b.T.Fatalf("%s: %v", what, err)
	}
}

// Holds waits until a JavaScript condition is true.
func (b *Browser) Holds(what, condition string, args ...any) {
	b.T.Helper()
	function := "(...args) => " + condition
	ctx, cancel := context.WithTimeout(b.Ctx, Patience)
	defer cancel()
	poll := chromedp.PollFunction[bool](function, chromedp.WithPollingTimeout(Patience), chromedp.WithPollingArgs(args...))
	_, err := chromedp.Run(ctx, poll)
	for isOldDocument(err) && ctx.Err() == nil {
		_, err = chromedp.Run(ctx, poll)
	}
	if err != nil {
		text, _ := chromedp.Run(b.Ctx, chromedp.Evaluate[string]("document.body.innerText"))
		b.T.Fatalf("%s: %v\nthe page reads:\n%s", what, err, text)
	}
}

// isOldDocument reports whether a call named the document that a navigation has replaced. chromedp learns of the new one
// from an event that may come after the end of the navigation. Nothing of the call was run, so it can be repeated.
func isOldDocument(err error) bool {
	var refused *cdproto.Error
	return errors.As(err, &refused) && refused.Message == "Cannot find context with specified id"
}

// visible is JavaScript for the elements of a selector that are visible.
const visible = `[...document.querySelectorAll(args[0])].filter((e) => e.checkVisibility())`

// Sees waits until an element shows a text.
func (b *Browser) Sees(selector, text string) {
	b.T.Helper()
	b.Holds(fmt.Sprintf("%s shows %q", selector, text), visible+`.some((e) => e.innerText.includes(args[1]))`, selector, text)
}

// Misses waits until no element shows a text.
func (b *Browser) Misses(selector, text string) {
	b.T.Helper()
	b.Holds(fmt.Sprintf("%s does not show %q", selector, text), visible+`.every((e) => !e.innerText.includes(args[1]))`, selector, text)
}

// Press waits until the element of a selector that shows a text is enabled and a mouse could hit its middle, and clicks
// it. Check and click are one JavaScript call, because the page may be redrawn or move between two calls.
func (b *Browser) Press(selector, text string) {
	b.T.Helper()
	b.Holds(fmt.Sprintf("%s %q can be pressed", selector, text),
		`{ const [selector, text = ""] = args; const found = [...document.querySelectorAll(selector)].find((e) => e.checkVisibility() && !e.disabled && e.innerText.includes(text));
		if (!found) return false;
		found.scrollIntoView({ block: "center", inline: "nearest", behavior: "instant" });
		const box = found.getBoundingClientRect();
		if (!found.contains(document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2))) return false;
		found.focus(); found.click(); return true; }`, selector, text)
}

// Writes replaces the content of a field by typing. An Enter at the end is pressed when the field holds the rest.
func (b *Browser) Writes(selector, text string) {
	b.T.Helper()
	words, enter := strings.CutSuffix(text, "\r")
	want := strings.ReplaceAll(words, "\r", "\n")
	all, cancel := context.WithTimeout(b.Ctx, Patience)
	defer cancel()
	for held := false; !held; {
		b.Holds("empty "+selector, `{ document.querySelector(args[0]).value = ""; return true; }`, selector)
		if words == "" {
			break
		}
		b.Do("write into "+selector, chromedp.SendKeys(chromedp.CSS(selector), words))
		// The page may have moved the focus meanwhile, for example because a dialog opened.
		var err error
		held, err = chromedp.Run(all, chromedp.Evaluate[bool](fmt.Sprintf(`document.querySelector(%q).value === %q`, selector, want)))
		if err != nil {
			b.T.Fatalf("write into %s: %v", selector, err)
		}
	}
	if enter {
		b.Do("strike Enter in "+selector, chromedp.SendKeys(chromedp.CSS(selector), "\r"))
	}
}

// Chooses picks an option of a select and fires its change event.
func (b *Browser) Chooses(selector, value string) {
	b.T.Helper()
	b.Holds("choose "+value, `{ const [selector, value = ""] = args, select = document.querySelector(selector); if (select.disabled || ![...select.options].some((o) => o.value === value)) return false;
		select.value = value; select.dispatchEvent(new Event("change", { bubbles: true })); return true; }`, selector, value)
}

// Drops drags a file onto an element, as from a file manager.
func (b *Browser) Drops(selector, file string) {
	b.T.Helper()
	b.Do("drop "+file, chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		at, err := chromedp.Evaluate[[]float64](fmt.Sprintf(
			`(() => { const box = document.querySelector(%q).getBoundingClientRect(); return [box.x + box.width / 2, box.y + box.height / 2]; })()`, selector))(ctx, target)
		if err != nil {
			return err
		}
		data := &input.DragData{Items: []*input.DragDataItem{}, Files: []string{file}, DragOperationsMask: 1}
		for _, kind := range []input.DispatchDragEventType{input.DispatchDragEventTypeDragEnter, input.DispatchDragEventTypeDragOver, input.DispatchDragEventTypeDrop} {
			if _, err := cdp.Call(ctx, target, input.DispatchDragEvent, input.DispatchDragEventParams{Type: kind, X: at[0], Y: at[1], Data: data}); err != nil {
				return err
			}
		}
		return nil
	}))
}

// Pastes pastes a picture into the page. A headless browser has no clipboard, so the event is made here.
func (b *Browser) Pastes(dataURL string) {
	b.T.Helper()
	b.Holds("paste a picture", `{ const bytes = Uint8Array.from(atob(args[0].split(",")[1]), (c) => c.charCodeAt(0));
		const clipboard = new DataTransfer(); clipboard.items.add(new File([bytes], "image.png", { type: "image/png" }));
		document.dispatchEvent(new ClipboardEvent("paste", { clipboardData: clipboard, bubbles: true })); return true; }`, dataURL)
}

// Picture writes a screenshot of the page to a file.
func (b *Browser) Picture(file string) {
	b.T.Helper()
	png, err := chromedp.Run(b.Ctx, chromedp.CaptureScreenshot())
	if err == nil {
		err = os.WriteFile(file, png, 0o600)
	}
	if err != nil {
		b.T.Logf("no picture of the page: %v", err)
	}
}
