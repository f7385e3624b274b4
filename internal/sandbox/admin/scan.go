package admin

import (
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

func codeFromJSON(r *http.Request) (string, error) {
	var in scanRequest
	if err := readJSON(r, maxBody, &in); err != nil {
		return "", err
	}
	given := 0
	for _, text := range []string{in.Code, in.PNG, in.QR} {
		if text != "" {
			given++
		}
	}
	field, text := "png", in.PNG
	switch {
	case given != 1:
		return "", invalid("code", "expected one of code (the text of the QR), png or qr (a picture of it, in base64 or as a data URL)")
	case in.Code != "":
		return in.Code, nil
	case in.QR != "":
		field, text = "qr", in.QR
	}
	picture, err := decodePicture(field, text)
	if err != nil {
		return "", err
	}
	return readQR(field, picture)
}

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
