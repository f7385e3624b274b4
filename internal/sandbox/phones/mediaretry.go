package phones

import (
	"errors"
	"strconv"

	"google.golang.org/protobuf/proto"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/proto/waCommon"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/proto/waMmsRetry"

	"wasup/internal/sandbox/accounts"
	"wasup/internal/sandbox/media"
	"wasup/internal/sandbox/mediacrypt"
	"wasup/internal/sandbox/observe"
	"wasup/internal/sandbox/stanza"
)

// notOnPhone is the error code for a file of a message that the phone does not have (whatsmeow mediaretry.go,
// DecryptMediaRetryNotification).
const notOnPhone = 2

// receiveServerError handles a device's request for a file that it could not download: the phone uploads the file
// again, or answers why it cannot.
func (p *companions) receiveServerError(d accounts.Delivery) {
	dev := p.Net.Dir.Device(p.Account, d.From.Device)
	if dev == nil {
		return
	}
	id := stanza.Attr(&d.Node, "id")
	what := "MEDIA_RETRY"
	if stanza.Attr(&d.Node, "category") == stanza.CategoryPeer {
		what = "HISTORY_RETRY"
	}
	p.Net.Observer.Emit(observe.Event{Kind: observe.EventPeer, Account: p.Account.Number, Device: p.Account.JID(dev.ID).String(), Detail: what})
	if what == "HISTORY_RETRY" {
		p.repeatChunk(dev, id, &d.Node)
		return
	}
	p.Net.Courier.Hand(dev, p.retryMedia(id, &d.Node))
}

// checkRequest decrypts the request in a server-error receipt and checks that it is for the message with this id.
func checkRequest(key []byte, id string, receipt *waBinary.Node) error {
	sealed, iv := receipt.GetChildByTag("encrypt", "enc_p"), receipt.GetChildByTag("encrypt", "enc_iv")
	plain, err := mediacrypt.OpenRetry(key, id, stanza.Bytes(&iv), stanza.Bytes(&sealed))
	if err != nil {
		return err
	}
	var request waMmsRetry.ServerErrorReceipt
	if err = proto.Unmarshal(plain, &request); err != nil {
		return errors.Join(mediacrypt.ErrRetry, err)
	}
	if request.GetStanzaID() != id {
		return mediacrypt.ErrRetry
	}
	return nil
}

// retryMedia returns the answer to a request for the file of a message.
func (p *companions) retryMedia(id string, receipt *waBinary.Node) waBinary.Node {
	rmr := receipt.GetChildByTag("rmr")
	fromMe := stanza.Attr(&rmr, "from_me") == "true"
	about := waBinary.Node{Tag: "rmr", Attrs: waBinary.Attrs{"jid": stanza.JID(&rmr, "jid"), "from_me": strconv.FormatBool(fromMe)}}
	if participant := stanza.JID(&rmr, "participant"); !participant.IsEmpty() {
		about.Attrs["participant"] = participant
	}
	answer := waBinary.Node{Tag: "notification", Attrs: waBinary.Attrs{"from": p.Account.JID(0), "type": "mediaretry", "id": id, "t": stanza.Now()}}
	found, _, ok := p.journal.findByKey(&waCommon.MessageKey{RemoteJID: proto.String(stanza.Attr(&rmr, "jid")), ID: &id, FromMe: &fromMe})
	if !ok || found.Media == nil {
		answer.Content = []waBinary.Node{about, {Tag: "error", Attrs: waBinary.Attrs{"code": strconv.Itoa(notOnPhone)}}}
		return answer
	}
	outcome := &waMmsRetry.MediaRetryNotification{StanzaID: &id, Result: waMmsRetry.MediaRetryNotification_NOT_FOUND.Enum(), MessageSecret: found.secret}
	key := found.Media.sealed.Key
	if err := checkRequest(key, id, receipt); err != nil {
		outcome.Result = waMmsRetry.MediaRetryNotification_DECRYPTION_ERROR.Enum()
	} else if path, err := p.uploadAgain(&found); err == nil {
		outcome.Result, outcome.DirectPath = waMmsRetry.MediaRetryNotification_SUCCESS.Enum(), &path
	}
	plain, err := proto.Marshal(outcome)
	if err == nil {
		var iv, sealed []byte
		if iv, sealed, err = mediacrypt.SealRetry(key, id, plain); err == nil {
			answer.Content = []waBinary.Node{{Tag: "encrypt", Content: []waBinary.Node{{Tag: "enc_p", Content: sealed}, {Tag: "enc_iv", Content: iv}}}, about}
			return answer
		}
	}
	p.Net.Log.Warn("phone could not answer a request for a file", "err", err)
	answer.Content = []waBinary.Node{about, {Tag: "error", Attrs: waBinary.Attrs{"code": strconv.Itoa(notOnPhone)}}}
	return answer
}

// uploadAgain uploads the file of a message again and returns its new path. The key stays the same, and so does the
// encrypted file.
func (p *companions) uploadAgain(m *Message) (string, error) {
	had, data, err := p.Net.Media.OnPhones(media.IDOf(m.Media.DirectPath))
	if err != nil {
		return "", err
	}
	file, err := p.Net.Media.Put(p.Account.Number, had.Type, data)
	if err != nil {
		return "", err
	}
	p.journal.moveMedia(m, file.DirectPath)
	return file.DirectPath, nil
}

// repeatChunk uploads a part of the history again and announces it in a new message.
func (p *companions) repeatChunk(dev *accounts.Device, id string, receipt *waBinary.Node) {
	chunk, ok := p.history.past.find(id)
	if !ok {
		p.Net.Log.Debug("phone does not remember a part of its history", "id", id)
		return
	}
	if err := checkRequest(chunk.key, id, receipt); err != nil {
		p.Net.Log.Debug("phone could not decrypt a request for history", "id", id, "err", err)
		return
	}
	note := new(waE2E.HistorySyncNotification)
	proto.Merge(note, chunk.note)
	note.OriginalMessageID = &id
	if err := p.history.announceChunk(dev, note, chunk.data, true); err != nil {
		p.Net.Log.Warn("phone could not send its history again", "err", err)
	}
}
