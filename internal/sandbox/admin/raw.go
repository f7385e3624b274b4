package admin

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"

	"go.mau.fi/whatsmeow/proto/waE2E"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"wasup/internal/sandbox/capture"
)

// maxStanzas bounds the stanzas of one answer.
const maxStanzas = 100

type rawBody struct {
	Parts   []rawPartBody `json:"parts" doc:"what the phone decrypted: one part for each ciphertext and copy, oldest first"`
	Stanzas []stanzaBody  `json:"stanzas" doc:"the stanzas that brought it, as the device sent them, with the parts for all recipients, oldest first"`
}

type rawPartBody struct {
	Device   string          `json:"device" doc:"JID of the device that sent it"`
	Time     time.Time       `json:"time" doc:"when it was decrypted"`
	Type     string          `json:"type" doc:"type of the ciphertext: pkmsg, msg or skmsg"`
	Protobuf []byte          `json:"protobuf" doc:"the plaintext as it was, an encoded message, in base64"`
	Content  json.RawMessage `json:"content" doc:"the same in JSON; null if it is no message"`
}

type stanzaBody struct {
	Device string    `json:"device" doc:"JID of the device that sent it"`
	Time   time.Time `json:"time" doc:"when it came"`
	Tag    string    `json:"tag" doc:"message, receipt, chatstate or presence"`
	ID     string    `json:"id,omitempty" doc:"its id, if it has one"`
	XML    string    `json:"xml" doc:"the stanza as XML; bytes are shown in hexadecimal, or only their number if there are many"`
	Data   []byte    `json:"data" doc:"the stanza as it came, without the encryption of the connection, in base64"`
}

type stanzasBody struct {
	Stanzas []stanzaBody `json:"stanzas" doc:"oldest first"`
}

// rawMessage answers with what a phone got of a message that a linked device sent.
func (a messageAPI) rawMessage(r *http.Request) (int, any, error) {
	phone, err := a.phone(r)
	if err != nil {
		return 0, nil, err
	}
	log, id := a.server.Capture(), r.PathValue("id")
	body := rawBody{Parts: []rawPartBody{}, Stanzas: []stanzaBody{}}
	devices := map[string]bool{}
	for _, part := range log.Plaintexts(func(p *capture.Plaintext) bool { return p.ID == id && p.Phone == phone.Number() }) {
		devices[part.Device.String()] = true
		body.Parts = append(body.Parts, rawPartBody{part.Device.String(), part.At, part.Type, part.Data, contentJSON(part.Data)})
	}
	if len(body.Parts) == 0 {
		return 0, nil, notFound("message_not_found", "id", "the phone has lately decrypted no such message of a linked device")
	}
	for _, sent := range log.Stanzas(func(s *capture.Stanza) bool { return s.Tag == "message" && s.ID == id && devices[s.Device.String()] }) {
		body.Stanzas = append(body.Stanzas, stanzaJSON(&sent))
	}
	return http.StatusOK, body, nil
}

// listStanzas answers with the stanzas that the linked devices of a phone sent last.
func (a messageAPI) listStanzas(r *http.Request) (int, any, error) {
	phone, err := a.phone(r)
	if err != nil {
		return 0, nil, err
	}
	own := phone.JID()
	sent := a.server.Capture().Stanzas(func(s *capture.Stanza) bool { return s.Device.ToNonAD() == own })
	body := stanzasBody{Stanzas: []stanzaBody{}}
	for one := range slices.Values(sent[max(0, len(sent)-maxStanzas):]) {
		body.Stanzas = append(body.Stanzas, stanzaJSON(&one))
	}
	return http.StatusOK, body, nil
}

func stanzaJSON(s *capture.Stanza) stanzaBody {
	body := stanzaBody{Device: s.Device.String(), Time: s.At, Tag: s.Tag, ID: s.ID, Data: s.Data}
	if node, err := s.Node(); err == nil {
		body.XML = fmt.Sprint(node)
	}
	return body
}

// contentJSON returns an encoded message as JSON, or null.
func contentJSON(data []byte) json.RawMessage {
	var message waE2E.Message
	if err := proto.Unmarshal(data, &message); err != nil {
		return json.RawMessage("null")
	}
	text, err := protojson.Marshal(&message)
	if err != nil {
		return json.RawMessage("null")
	}
	return text
}
