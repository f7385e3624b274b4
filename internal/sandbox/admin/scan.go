package admin

import (
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strings"
	"time"
)

// scanWait is the default time that a scan waits for the client to confirm the pairing.
const scanWait = 20 * time.Second

// scan makes the phone scan a pairing QR. The body is JSON with the text of the
// code or a picture of it, or a picture, alone or as a file of a form.
func (a phoneAPI) scan(r *http.Request) (int, any, error) {
	phone, err := a.phone(r)
	if err != nil {
		return 0, nil, err
	}
	code, err := scannedCode(r)
	if err != nil {
		return 0, nil, err
	}
	ctx, cancel, err := waitContext(r, scanWait)
	if err != nil {
		return 0, nil, err
	}
	defer cancel()
	device, err := phone.Scan(ctx, code)
	if err != nil {
		return 0, nil, translate(err)
	}
	return http.StatusOK, scanBody{Device: device.String()}, nil
}

func scannedCode(r *http.Request) (string, error) {
	media, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch {
	case err != nil:
		return "", unsupportedScan()
	case media == "application/json":
		return codeFromJSON(r)
	case media == "image/png" || media == "image/jpeg":
		picture, err := readBody(r, maxPicture)
		if err != nil {
			return "", err
		}
		return readQR("body", picture)
	case media == "multipart/form-data":
		return codeFromForm(r, params["boundary"])
	default:
		return "", unsupportedScan()
	}
}

func unsupportedScan() *problem {
	return &problem{http.StatusUnsupportedMediaType, "unsupported_media_type", "expected application/json, image/png, image/jpeg or multipart/form-data", ""}
}

// codeFromJSON reads a scanRequest.
func codeFromJSON(r *http.Request) (string, error) {
	var in scanRequest
	if _, err := readShown(r, maxBody, &in); err != nil {
		return "", err
	}
	var texts, fields []string
	for field, text := range map[string]string{"code": in.Code, "qr.code": in.QR.Code, "png": in.PNG, "qr": in.QR.Picture} {
		if text != "" {
			texts, fields = append(texts, text), append(fields, field)
		}
	}
	switch {
	case len(texts) != 1:
		return "", invalid("code", "expected one of code (the text of the QR), png or qr (a picture of it, in base64 or as a data URL)")
	case strings.HasSuffix(fields[0], "code"):
		return texts[0], nil
	}
	picture, err := decodePicture(fields[0], texts[0])
	if err != nil {
		return "", err
	}
	return readQR(fields[0], picture)
}

// readShown decodes what a client shows to a person. A client's answer is posted as it is, so unknown fields are
// allowed. An answer that says why there is no code, in the field detail or message, is a problem that repeats it.
func readShown(r *http.Request, limit int64, target any) (json.RawMessage, error) {
	raw := json.RawMessage{}
	if err := readJSON(r, limit, &raw); err != nil {
		return nil, err
	}
	var refused struct{ Detail, Message string }
	if err := json.Unmarshal(raw, &refused); err != nil {
		return nil, jsonProblem(raw, &refused, err)
	}
	if reason := cmp.Or(refused.Detail, refused.Message); reason != "" {
		if len(reason) > maxReason {
			reason = strings.ToValidUTF8(reason[:maxReason], "") + "…"
		}
		return nil, &problem{http.StatusUnprocessableEntity, "no_code", "the client shows no code: " + reason, "body"}
	}
	if err := json.Unmarshal(raw, target); err != nil {
		return nil, jsonProblem(raw, target, err)
	}
	return raw, nil
}

// maxReason bounds the client's words that are repeated in an error, in bytes.
const maxReason = 200

// codeFromForm reads the QR from the first file of a form. The field may have any name.
func codeFromForm(r *http.Request, boundary string) (string, error) {
	if boundary == "" {
		return "", invalid("body", "expected a form with a boundary")
	}
	form := multipart.NewReader(r.Body, boundary)
	for {
		part, err := form.NextPart()
		if errors.Is(err, io.EOF) {
			return "", invalid("body", "expected a form with a file in it")
		}
		if err != nil {
			return "", invalid("body", "expected a whole multipart form")
		}
		if part.FileName() == "" && !strings.HasPrefix(part.Header.Get("Content-Type"), "image/") {
			continue
		}
		picture, err := io.ReadAll(io.LimitReader(part, maxPicture+1))
		if err != nil {
			return "", invalid("body", "expected a whole multipart form of at most %d bytes", maxBody)
		}
		return readQR(part.FormName(), picture)
	}
}
