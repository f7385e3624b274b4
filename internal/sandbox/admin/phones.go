package admin

import (
	"net/http"
	"strings"

	"go.mau.fi/whatsmeow/types"

	"wasup/internal/sandbox"
	"wasup/internal/sandbox/phones"
)

// phone returns the phone that the path names.
func (a *api) phone(r *http.Request) (*sandbox.Phone, error) {
	phone, ok := a.server.Phone(pathNumber(r))
	if !ok {
		return nil, translate(sandbox.ErrPhoneUnknown)
	}
	return phone, nil
}

// pathNumber returns the number in the path. People may write a plus before it.
func pathNumber(r *http.Request) string {
	return strings.TrimPrefix(r.PathValue("number"), "+")
}

// withoutPlus removes the plus that people may write before a number.
func withoutPlus(numbers []string) []string {
	digits := make([]string, len(numbers))
	for i, number := range numbers {
		digits[i] = strings.TrimPrefix(number, "+")
	}
	return digits
}

func (a phoneAPI) listPhones(r *http.Request) (int, any, error) {
	body := phonesBody{Phones: []phoneBody{}}
	for _, phone := range a.server.Phones() {
		body.Phones = append(body.Phones, phoneJSON(phone))
	}
	return http.StatusOK, body, nil
}

func (a phoneAPI) addPhone(r *http.Request) (int, any, error) {
	var in phoneRequest
	if err := readJSON(r, maxJSON, &in); err != nil {
		return 0, nil, err
	}
	phone, err := a.server.AddPhone(phones.Config{
		Number: strings.TrimPrefix(in.Number, "+"), Aliases: withoutPlus(in.Aliases), Name: in.Name, Script: phones.Script(in.Script),
	})
	if err != nil {
		return 0, nil, translate(err)
	}
	return http.StatusCreated, phoneJSON(phone), nil
}

// changePhone changes the fields of a phone that the body names, or none if one of them is refused.
func (a phoneAPI) changePhone(r *http.Request) (int, any, error) {
	phone, err := a.phone(r)
	if err != nil {
		return 0, nil, err
	}
	var in phoneChange
	if err := readJSON(r, maxJSON, &in); err != nil {
		return 0, nil, err
	}
	if in == (phoneChange{}) {
		return 0, nil, invalid("body", "expected name, script, delay, online, offline_for, about or aliases")
	}
	if in.Online != nil && in.OfflineFor != "" {
		return 0, nil, invalid("offline_for", "expected either online or offline_for")
	}
	delay, err := readDuration("delay", in.Delay)
	if err != nil {
		return 0, nil, err
	}
	absence, err := readDuration("offline_for", in.OfflineFor)
	if err != nil {
		return 0, nil, err
	}
	change := phones.Change{About: in.About, Online: in.Online}
	if in.Name != "" {
		change.Name = &in.Name
	}
	if in.Script != "" {
		change.Script = (*phones.Script)(&in.Script)
	}
	if in.Delay != "" {
		change.Delay = &delay
	}
	if in.OfflineFor != "" {
		change.OfflineFor = &absence
	}
	if in.Aliases != nil {
		aliases := withoutPlus(*in.Aliases)
		change.Aliases = &aliases
	}
	if err := phone.Change(r.Context(), change); err != nil {
		return 0, nil, translate(err)
	}
	return http.StatusOK, phoneJSON(phone), nil
}

func (a phoneAPI) getPhone(r *http.Request) (int, any, error) {
	phone, err := a.phone(r)
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, phoneJSON(phone), nil
}

func (a phoneAPI) removePhone(r *http.Request) (int, any, error) {
	if err := a.server.RemovePhone(pathNumber(r)); err != nil {
		return 0, nil, translate(err)
	}
	return http.StatusNoContent, nil, nil
}

func (a phoneAPI) listDevices(r *http.Request) (int, any, error) {
	phone, err := a.phone(r)
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, devicesBody{devicesJSON(phone)}, nil
}

func (a phoneAPI) unlinkDevice(r *http.Request) (int, any, error) {
	phone, err := a.phone(r)
	if err != nil {
		return 0, nil, err
	}
	device, err := types.ParseJID(r.PathValue("jid"))
	if err != nil || device.User == "" || device.Device == 0 {
		return 0, nil, invalid("jid", "expected the JID of a linked device, such as 4915112345678:1@s.whatsapp.net")
	}
	if err := phone.Unlink(r.Context(), device); err != nil {
		return 0, nil, translate(err)
	}
	return http.StatusNoContent, nil, nil
}

func phoneJSON(phone *sandbox.Phone) phoneBody {
	return phoneBody{
		Number:  phone.Number(),
		Aliases: phone.Aliases(),
		Name:    phone.Name(),
		Script:  string(phone.Script()),
		JID:     phone.JID().String(),
		LID:     phone.LID().String(),
		Online:  phone.Online(),
		Delay:   phone.Delay().String(),
		About:   phone.About(),
		Picture: phone.PictureID(),
		Devices: devicesJSON(phone),
	}
}

func devicesJSON(phone *sandbox.Phone) []deviceBody {
	devices := []deviceBody{}
	for _, device := range phone.Devices() {
		devices = append(devices, deviceBody{
			JID: device.JID.String(), LID: device.LID.String(), Platform: device.Platform,
			Connected: device.Connected, Queued: device.Queued,
		})
	}
	return devices
}
