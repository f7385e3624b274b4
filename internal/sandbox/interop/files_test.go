package interop_test

import (
	"bytes"
	"encoding/base64"
	"math/rand/v2"
	"testing"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types/events"
	"google.golang.org/protobuf/proto"

	"wasup/internal/sandbox"
	"wasup/internal/sandbox/phones"
)

// someFile returns random bytes, the same for one seed in every run. Their number is not a multiple of the cipher's
// block size.
func someFile(seed byte) []byte {
	data := make([]byte, 100_003)
	_, _ = rand.NewChaCha8([32]byte{seed}).Read(data)
	return data
}

// sendFile makes the script send a file, and returns the message's id.
func (s *script) sendFile(to, kind, mime string, data []byte, text string) string {
	s.t.Helper()
	return s.send("file", map[string]any{
		"to": to, "kind": kind, "mime": mime, "name": "file.bin", "text": text, "data": base64.StdEncoding.EncodeToString(data),
	})
}

// opens makes the script download and decrypt the file of a message, and compares it with want.
func (s *script) opens(id string, want []byte) {
	s.t.Helper()
	encoded, _ := s.do("download", map[string]any{"message": id})["data"].(string)
	got, err := base64.StdEncoding.DecodeString(encoded)
	must(s.t, err)
	if !bytes.Equal(got, want) {
		s.t.Errorf("the script has %d bytes that differ from the %d sent", len(got), len(want))
	}
}

// opens waits until the peer has a message, downloads and decrypts its file, and compares it with want.
func (p *peer) opens(id string, want []byte) {
	p.t.Helper()
	message := await(p, func(m *events.Message) bool { return m.Info.ID == id })
	var file whatsmeow.DownloadableMessage
	switch content := message.Message; {
	case content.ImageMessage != nil:
		file = content.ImageMessage
	case content.DocumentMessage != nil:
		file = content.DocumentMessage
	case content.AudioMessage != nil:
		file = content.AudioMessage
	case content.StickerMessage != nil:
		file = content.StickerMessage
	default:
		p.t.Fatalf("message %s has no file", id)
	}
	got, err := p.cli.Download(within(p.t), file)
	must(p.t, err)
	if !bytes.Equal(got, want) {
		p.t.Errorf("whatsmeow has %d bytes that differ from the %d sent", len(got), len(want))
	}
}

// opens waits until a phone has a message, and compares its kind and its file with what is expected.
func opens(t *testing.T, phone *sandbox.Phone, id string, kind phones.Kind, want []byte) {
	t.Helper()
	message, err := phone.WaitMessage(within(t), func(m phones.Message) bool { return m.ID == id })
	must(t, err)
	if message.Kind != kind || message.Media == nil {
		t.Fatalf("%s has a message of the kind %s", phone.Name(), message.Kind)
	}
	got, err := message.Media.Bytes()
	must(t, err)
	if !bytes.Equal(got, want) {
		t.Errorf("%s has %d bytes that differ from the %d sent", phone.Name(), len(got), len(want))
	}
}

func TestFilesAreTheSameOnBothSides(t *testing.T) {
	needNode(t)
	t.Parallel()
	server := newServer(t)
	ana, bruno, carla := newPhone(t, server, "Ana"), newPhone(t, server, "Bruno"), newPhone(t, server, "Carla")
	node := startTrusting(t, server)
	node.pair(server, ana)
	gopher := newPeer(t, server, bruno)

	t.Run("from Baileys", func(t *testing.T) {
		for seed, file := range []struct {
			script, mime string
			kind         phones.Kind
		}{
			{"image", "image/png", phones.KindImage},
			{"document", "application/pdf", phones.KindDocument},
			{"audio", "audio/ogg; codecs=opus", phones.KindAudio},
			{"sticker", "image/webp", phones.KindSticker},
		} {
			data := someFile(byte(seed))
			id := node.sendFile(bruno.JID().String(), file.script, file.mime, data, "")
			gopher.opens(id, data)
			opens(t, bruno, id, file.kind, data)
			// The client's own phone gets what the client sends as well.
			opens(t, ana, id, file.kind, data)
			opens(t, carla, node.sendFile(carla.JID().String(), file.script, file.mime, data, ""), file.kind, data)
		}
	})
	t.Run("a caption comes with its image and its document", func(t *testing.T) {
		node.sendFile(bruno.JID().String(), "image", "image/png", someFile(4), "seen from here")
		node.sendFile(bruno.JID().String(), "document", "application/pdf", someFile(4), "read on")
		await(gopher, func(m *events.Message) bool { return m.Message.GetImageMessage().GetCaption() == "seen from here" })
		await(gopher, func(m *events.Message) bool {
			document := m.Message.GetDocumentMessage()
			return document.GetCaption() == "read on" && document.GetFileName() == "file.bin"
		})
		has(t, bruno, "seen from here")
		has(t, bruno, "read on")
	})
	t.Run("from whatsmeow", func(t *testing.T) {
		image, document := someFile(5), someFile(6)
		sent := gopher.send(ana.JID(), &waE2E.Message{ImageMessage: gopher.image(image, "an image from go")})
		node.opens(node.reads("an image from go"), image)
		opens(t, ana, sent, phones.KindImage, image)

		up, err := gopher.cli.Upload(within(t), document, whatsmeow.MediaDocument)
		must(t, err)
		sent = gopher.send(ana.JID(), &waE2E.Message{DocumentMessage: &waE2E.DocumentMessage{
			URL: &up.URL, DirectPath: &up.DirectPath, MediaKey: up.MediaKey, FileEncSHA256: up.FileEncSHA256, FileSHA256: up.FileSHA256,
			FileLength: &up.FileLength, Mimetype: proto.String("application/pdf"), FileName: proto.String("go.pdf"), Caption: proto.String("a document from go"),
		}})
		node.opens(node.reads("a document from go"), document)
		opens(t, ana, sent, phones.KindDocument, document)
	})
	t.Run("voice messages and stickers from whatsmeow", func(t *testing.T) {
		voice, sticker := someFile(11), someFile(12)
		up, err := gopher.cli.Upload(within(t), voice, whatsmeow.MediaAudio)
		must(t, err)
		sent := gopher.send(ana.JID(), &waE2E.Message{AudioMessage: &waE2E.AudioMessage{
			URL: &up.URL, DirectPath: &up.DirectPath, MediaKey: up.MediaKey, FileEncSHA256: up.FileEncSHA256, FileSHA256: up.FileSHA256,
			FileLength: &up.FileLength, Mimetype: proto.String("audio/ogg; codecs=opus"), PTT: proto.Bool(true), Seconds: proto.Uint32(3),
		}})
		node.await("message", func(one told) bool { return one.message() == sent })
		node.opens(sent, voice)
		opens(t, ana, sent, phones.KindAudio, voice)

		up, err = gopher.cli.Upload(within(t), sticker, whatsmeow.MediaImage)
		must(t, err)
		sent = gopher.send(ana.JID(), &waE2E.Message{StickerMessage: &waE2E.StickerMessage{
			URL: &up.URL, DirectPath: &up.DirectPath, MediaKey: up.MediaKey, FileEncSHA256: up.FileEncSHA256, FileSHA256: up.FileSHA256,
			FileLength: &up.FileLength, Mimetype: proto.String("image/webp"), Width: proto.Uint32(512), Height: proto.Uint32(512),
		}})
		node.await("message", func(one told) bool { return one.message() == sent })
		node.opens(sent, sticker)
		opens(t, ana, sent, phones.KindSticker, sticker)
	})
	t.Run("a voice message is marked as one on both sides", func(t *testing.T) {
		id := node.sendFile(bruno.JID().String(), "audio", "audio/ogg; codecs=opus", someFile(13), "")
		await(gopher, func(m *events.Message) bool { return m.Info.ID == id && m.Message.GetAudioMessage().GetPTT() })
		_, err := bruno.WaitMessage(within(t), func(m phones.Message) bool { return m.ID == id && m.Media != nil && m.Media.Voice })
		must(t, err)
	})
	t.Run("from a phone", func(t *testing.T) {
		for seed, kind := range []phones.Kind{phones.KindImage, phones.KindDocument, phones.KindAudio, phones.KindSticker} {
			data := someFile(byte(7 + seed))
			id, err := carla.SendMessage(within(t), phones.Outgoing{
				To: ana.Number(), Kind: kind, Media: &phones.Attachment{Data: data, FileName: "file.bin", Voice: kind == phones.KindAudio},
			})
			must(t, err)
			node.await("message", func(one told) bool { return one.message() == id })
			node.opens(id, data)
		}
	})
	if counters := server.Counters(); counters.MediaRefused != 0 {
		t.Errorf("%d uploads and downloads were refused", counters.MediaRefused)
	}
}

// image uploads an image and returns the message for it.
func (p *peer) image(data []byte, caption string) *waE2E.ImageMessage {
	p.t.Helper()
	up, err := p.cli.Upload(within(p.t), data, whatsmeow.MediaImage)
	must(p.t, err)
	return &waE2E.ImageMessage{
		URL: &up.URL, DirectPath: &up.DirectPath, MediaKey: up.MediaKey, FileEncSHA256: up.FileEncSHA256, FileSHA256: up.FileSHA256,
		FileLength: &up.FileLength, Mimetype: proto.String("image/png"), Caption: &caption,
	}
}
