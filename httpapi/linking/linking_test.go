package linking_test

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"wasup/httpapi"
	"wasup/httpapi/apitest"
	"wasup/httpapi/qr/qrtest"
	"wasup/httpapi/rest"
	"wasup/internal/session"
)

func TestACodeComesAsAnOutcomeAndNeverAsNothing(t *testing.T) {
	asked := func(o session.QROutcome, state session.State, cause session.Cause) apitest.Scripted {
		f := apitest.Behind(apitest.Plain("shop", state, cause))
		f.Asked = func(context.Context, session.ID) session.QRAnswer {
			answer := session.QRAnswer{Outcome: o, State: state, Cause: cause}
			if o == session.OutcomeQR {
				answer.QR = apitest.Pairing("shop").QR
			}
			return answer
		}
		return f
	}
	because := func(o session.QROutcome, state session.State, cause session.Cause, reason string) apitest.Scripted {
		f := apitest.Behind(apitest.Plain("shop", state, cause))
		f.Asked = func(context.Context, session.ID) session.QRAnswer {
			return session.QRAnswer{Outcome: o, State: state, Cause: cause, Reason: reason}
		}
		return f
	}
	empty := apitest.Behind(apitest.Full())
	empty.Asked = func(context.Context, session.ID) session.QRAnswer {
		return session.QRAnswer{Outcome: session.OutcomeQR}
	}
	rows := []apitest.Row{
		{What: "a code", Status: 200, Want: "v1/qr", Behind: asked(session.OutcomeQR, session.QRRequired, session.CausePairing)},
		{What: "linked", Status: 409, Want: "v1/qr_ready", Behind: asked(session.OutcomeReady, session.Ready, session.CauseConnected)},
		{What: "stopped", Status: 409, Want: "v1/qr_stopped", Behind: asked(session.OutcomeStopped, session.NotInitialized, session.CauseStopped)},
		{What: "failed", Status: 422, Want: "v1/qr_failed", Behind: asked(session.OutcomeFailed, session.DisconnectedBanned, session.CauseBanned)},
		{What: "timeout", Status: 504, Want: "v1/qr_timeout", Behind: asked(session.OutcomeTimeout, session.Initializing, session.CauseStarting)},
		{What: "timeout, with a reason", Status: 504, Want: "v1/qr_timeout_reason", Behind: because(session.OutcomeTimeout, session.DisconnectedRecoverable, session.CauseSocketLost, "no such host")},
		{What: "failed, with a reason", Status: 422, Want: "v1/qr_failed_reason", Behind: because(session.OutcomeFailed, session.Errored, session.CauseAttemptsExhausted, "the TLS certificate is not valid")},
		{What: "too many", Status: 429, Want: "v1/qr_too_many", Extra: "Retry-After: 2", Behind: asked(session.OutcomeTooMany, session.Initializing, session.CauseStarting)},
		{What: "draining", Status: 503, Want: "v1/qr_draining", Extra: "Retry-After: 5", Behind: asked(session.OutcomeShuttingDown, session.Initializing, session.CauseStarting)},
		{What: "a bug", Status: 500, Want: "v1/qr_bug", Behind: asked(session.OutcomeError, session.Initializing, session.CauseStarting)},
		{What: "a surprise", Status: 500, Want: "v1/internal", Behind: asked("surprise", session.Initializing, session.CauseStarting)},
		{What: "a promised code that is empty", Status: 500, Want: "v1/internal", Behind: empty},
		{What: "unknown", Status: 404, Want: "v1/not_found", Path: "/v1/sessions/nobody/qr"},
		{What: "a format that there is not", Status: 406, Want: "v1/qr_format", Header: []string{"Accept: image/gif"}, Behind: apitest.Behind(apitest.Full())},
	}
	for _, wait := range []string{"", "0s", "10", "2m1s"} {
		rows = append(rows, apitest.Row{What: "wait=" + wait, Status: 400, Want: "v1/qr_bad_wait", Path: "/v1/sessions/shop/qr?wait=" + wait, Behind: apitest.Behind(apitest.Full())})
	}
	for i := range rows {
		rows[i].Method = "GET"
		if rows[i].Path == "" {
			rows[i].Path = "/v1/sessions/shop/qr?wait=25s"
		}
	}
	apitest.RunRows(t, rows)
}

func TestDevicesAreLinkedByCodeAndByPasskey(t *testing.T) {
	linking := func(status session.Status, err error) apitest.Scripted {
		f := apitest.Behind(status)
		f.Linking = func(_ context.Context, step string, _ session.ID, value string) (string, time.Time, error) {
			switch {
			case err != nil:
				return "", time.Time{}, err
			case step == "phone" && value != "5491155550101", step == "answer" && value != `{"id":"x","response":{}}`:
				return "", time.Time{}, &session.Error{Code: session.CodeInternal, Op: "unexpected " + value}
			}
			return "ABCD-2345", apitest.Now.Add(time.Minute), nil
		}
		return f
	}
	asked := apitest.Plain("shop", session.QRRequired, session.CausePasskey)
	asked.Passkey = &session.Passkey{Challenge: []byte(`{"challenge":"abc","timeout":60000}`)}
	answered := asked
	answered.Passkey = &session.Passkey{Challenge: asked.Passkey.Challenge, Code: "1234"}
	skipped := asked
	skipped.Passkey = &session.Passkey{Skip: true}
	code := "/v1/sessions/shop/pairing-code"
	rows := []apitest.Row{
		{What: "a code", Method: "POST", Path: code, Body: `{"phone":"+54 9 (11) 5555-0101"}`, Status: 200, Want: "v1/pairing_code", Behind: linking(apitest.Pairing("shop"), nil)},
		{What: "a code, for a number as a page has it", Method: "POST", Path: code, Body: `{"phone":"tel:+54‑9‑11‑5555‑0101"}`, Status: 200, Want: "v1/pairing_code", Behind: linking(apitest.Pairing("shop"), nil)},
		{What: "linked already", Method: "POST", Path: code, Body: `{"phone":"5491155550101"}`, Status: 409, Want: "v1/wrong_state", Behind: linking(apitest.Pairing("shop"), apitest.Failing(session.CodeWrongState))},
		{What: "refused", Method: "POST", Path: code, Body: `{"phone":"5491155550101"}`, Status: 422, Want: "v1/pairing_refused", Behind: linking(apitest.Pairing("shop"), apitest.Failing(session.CodePairingRefused))},
		{What: "too often", Method: "POST", Path: code, Body: `{"phone":"5491155550101"}`, Status: 429, Want: "v1/pairing_limited", Extra: "Retry-After: 60", Behind: linking(apitest.Pairing("shop"), &session.Error{Code: session.CodeRateLimited, RetryAfter: time.Minute})},
		{What: "a server error", Method: "POST", Path: code, Body: `{"phone":"5491155550101"}`, Status: 503, Want: "v1/pairing_unavailable", Extra: "Retry-After: 5", Behind: linking(apitest.Pairing("shop"), apitest.Failing(session.CodeUnavailable))},
		{What: "not in time", Method: "POST", Path: code, Body: `{"phone":"5491155550101"}`, Status: 504, Want: "v1/timeout", Behind: linking(apitest.Pairing("shop"), apitest.Failing(session.CodeTimeout))},
		{What: "no number", Method: "POST", Path: code, Body: `{}`, Status: 400, Want: "v1/phone_missing", Behind: linking(apitest.Pairing("shop"), nil)},
		{What: "unknown", Method: "POST", Path: code, Body: `{"phone":"5491155550101"}`, Status: 404, Want: "v1/not_found", Behind: linking(apitest.Pairing("other"), nil)},

		{What: "the challenge", Method: "GET", Path: "/v1/sessions/shop/passkey", Status: 200, Want: "v1/passkey_challenge", Behind: linking(asked, nil)},
		{What: "the code to compare", Method: "GET", Path: "/v1/sessions/shop/passkey", Status: 200, Want: "v1/passkey_code", Behind: linking(answered, nil)},
		{What: "nothing to compare", Method: "GET", Path: "/v1/sessions/shop/passkey", Status: 200, Want: "v1/passkey_skipped", Behind: linking(skipped, nil)},
		{What: "nothing asked", Method: "GET", Path: "/v1/sessions/shop/passkey", Status: 409, Want: "v1/passkey_none", Behind: linking(apitest.Pairing("shop"), nil)},
		{What: "an answer", Method: "POST", Path: "/v1/sessions/shop/passkey/response", Body: `{"id":"x","response":{}}`, Status: 200, Want: "v1/passkey_status", Behind: linking(asked, nil)},
		{What: "an answer that is refused", Method: "POST", Path: "/v1/sessions/shop/passkey/response", Body: `{"id":"x","response":{}}`, Status: 422, Want: "v1/pairing_refused", Behind: linking(asked, apitest.Failing(session.CodePairingRefused))},
		{What: "an answer that is none", Method: "POST", Path: "/v1/sessions/shop/passkey/response", Body: `"x"`, Status: 400, Want: "v1/no_object", Behind: linking(asked, nil)},
		{What: "confirmed", Method: "POST", Path: "/v1/sessions/shop/passkey/confirmation", Status: 200, Want: "v1/passkey_confirmed", Behind: linking(answered, nil)},
		{What: "confirmed in vain", Method: "POST", Path: "/v1/sessions/shop/passkey/confirmation", Status: 409, Want: "v1/wrong_state", Behind: linking(apitest.Pairing("shop"), apitest.Failing(session.CodeWrongState))},
	}
	for _, phone := range []string{"", "123", "0491155550101", "54911555501015678", "54x911", "+", "٥٤٩١١٥٥٥٥٠١"} {
		rows = append(rows, apitest.Row{What: "the number " + phone, Method: "POST", Path: code, Body: `{"phone":"` + phone + `"}`, Status: 400, Want: "v1/phone_bad", Behind: linking(apitest.Pairing("shop"), nil)})
	}
	apitest.RunRows(t, rows)
}

// raster makes a picture of modules for a decoder that shares no code with the encoder.
func raster(t *testing.T, side int, dark func(x, y int) bool) []byte {
	t.Helper()
	const scale = 4
	picture := image.NewGray(image.Rect(0, 0, side*scale, side*scale))
	for y := range side * scale {
		for x := range side * scale {
			shade := color.Gray{Y: 255}
			if dark(x/scale, y/scale) {
				shade.Y = 0
			}
			picture.SetGray(x, y, shade)
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, picture); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestEveryFormatOfACodeSaysTheCode(t *testing.T) {
	t.Parallel()
	f := apitest.Behind(apitest.Pairing("a"))
	f.Asked = func(context.Context, session.ID) session.QRAnswer {
		return session.QRAnswer{Outcome: session.OutcomeQR, State: session.QRRequired, Cause: session.CausePairing, QR: apitest.Pairing("a").QR}
	}
	r := apitest.NewRig(t, httpapi.Config{}, &f)
	get := func(accept string) string {
		answer := r.Do(t, "GET", "/v1/sessions/a/qr", "", "Accept: "+accept)
		if answer.Status != 200 || !strings.HasPrefix(answer.Header.Get("Content-Type"), accept) || answer.Header.Get("Vary") != "Accept" ||
			answer.Header.Get("X-QR-Sequence") != "1" || answer.Header.Get("X-QR-Expires-At") != "2026-01-04T12:34:56Z" {
			t.Fatalf("%s: %d %v", accept, answer.Status, answer.Header)
		}
		return answer.Body
	}
	if got := qrtest.Decode(t, []byte(get(rest.ContentPNG))); got != qrtest.Code {
		t.Errorf("PNG: %s", got)
	}

	lines := strings.Split(strings.TrimSuffix(get(rest.ContentText), "\n"), "\n")
	var rows [][]bool // true: a light module
	for _, line := range lines {
		var upper, lower []bool
		for _, char := range line {
			upper = append(upper, char == '█' || char == '▀')
			lower = append(lower, char == '█' || char == '▄')
		}
		rows = append(rows, upper, lower)
	}
	side := len(rows[0])
	if got := qrtest.Decode(t, raster(t, side, func(x, y int) bool { return !rows[y][x] })); got != qrtest.Code {
		t.Errorf("text: %s", got)
	}

	svg := get(rest.ContentSVG)
	dark := make(map[[2]int]bool)
	for _, run := range regexp.MustCompile(`M(\d+) (\d+)h(\d+)v1h-(\d+)z`).FindAllStringSubmatch(svg, -1) {
		var n [4]int
		for i := range n {
			n[i], _ = strconv.Atoi(run[i+1])
		}
		if n[2] != n[3] {
			t.Fatalf("a run that does not close: %s", run[0])
		}
		for x := n[0]; x < n[0]+n[2]; x++ {
			dark[[2]int{x, n[1]}] = true
		}
	}
	if !strings.HasPrefix(svg, fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d"`, side, side)) {
		t.Errorf("SVG begins with %.100s", svg)
	}
	if got := qrtest.Decode(t, raster(t, side, func(x, y int) bool { return dark[[2]int{x, y}] })); got != qrtest.Code {
		t.Errorf("SVG: %s", got)
	}
}

func TestAShutdownAnswersThoseWhoWaitForAPairingCode(t *testing.T) {
	t.Parallel()
	began := make(chan struct{})
	f := apitest.Behind(apitest.Plain("a", session.Initializing, session.CauseStarting))
	f.Linking = func(ctx context.Context, _ string, id session.ID, _ string) (string, time.Time, error) {
		close(began)
		<-ctx.Done()
		return "", time.Time{}, &session.Error{Code: session.CodeTimeout, Session: id, Err: ctx.Err()}
	}
	r := apitest.NewRig(t, httpapi.Config{LinkTimeout: time.Hour}, &f)
	answered := make(chan apitest.Reply, 1)
	go func() {
		answer, _ := r.Try("POST", "/v1/sessions/a/pairing-code", `{"phone":"5491155550101"}`)
		answered <- answer
	}()
	<-began
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := r.Stop(ctx); err != nil {
		t.Errorf("shutdown: %v", err)
	}
	if answer := <-answered; answer.Status != 503 || answer.Body != apitest.Literal(t, "v1/shutting_down") {
		t.Errorf("%d %s", answer.Status, answer.Body)
	}
}

func TestARefusedClientVersionSaysWhenToAskAgain(t *testing.T) {
	t.Parallel()
	f := apitest.Behind(apitest.Pairing("51"))
	f.Asked = func(context.Context, session.ID) session.QRAnswer {
		return session.QRAnswer{Outcome: session.OutcomeFailed, State: session.Errored, Cause: session.CauseClientOutdated, RetryAfter: 4200 * time.Millisecond}
	}
	f.Linking = func(context.Context, string, session.ID, string) (string, time.Time, error) {
		return "", time.Time{}, &session.Error{Code: session.CodeClientOutdated, RetryAfter: 6 * time.Second}
	}
	r := apitest.NewRig(t, httpapi.Config{}, &f)
	for _, row := range []struct {
		method, path, body string
		status             int
		after, part        string
	}{
		{"GET", "/v1/sessions/51/qr", "", 503, "5", `"code":"client_outdated"`},
		{"POST", "/v1/sessions/51/pairing-code", `{"phone":"5491155550101"}`, 503, "6", `"code":"client_outdated"`},
		{"GET", "/qr-code", "", 500, "5", `{"error":"INITIALIZATION_FAILED","message":"Error al inicializar la sesión de WhatsApp","current_state":"ERROR"}`},
	} {
		answer := r.Do(t, row.method, row.path, row.body, "X-Cliente-Id: 51")
		if answer.Status != row.status || answer.Header.Get("Retry-After") != row.after || !strings.Contains(answer.Body, row.part) {
			t.Errorf("%s answers %d, Retry-After %q: %s", row.path, answer.Status, answer.Header.Get("Retry-After"), answer.Body)
		}
	}
}
