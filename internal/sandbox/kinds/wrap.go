package kinds

import "go.mau.fi/whatsmeow/proto/waE2E"

// maxWrappings bounds how deep a message may be wrapped. WhatsApp's own messages stay under four.
const maxWrappings = 8

// Unwrap removes the wrappings that only say how a message is shown. viewOnce says that it may be viewed once.
func Unwrap(content *waE2E.Message) (inner *waE2E.Message, viewOnce bool) {
	for range maxWrappings {
		inner = nil
		switch {
		case content.GetEphemeralMessage() != nil:
			inner = content.GetEphemeralMessage().GetMessage()
		case content.GetViewOnceMessage() != nil:
			inner, viewOnce = content.GetViewOnceMessage().GetMessage(), true
		case content.GetViewOnceMessageV2() != nil:
			inner, viewOnce = content.GetViewOnceMessageV2().GetMessage(), true
		case content.GetViewOnceMessageV2Extension() != nil:
			inner, viewOnce = content.GetViewOnceMessageV2Extension().GetMessage(), true
		case content.GetDocumentWithCaptionMessage() != nil:
			inner = content.GetDocumentWithCaptionMessage().GetMessage()
		case content.GetLottieStickerMessage() != nil:
			inner = content.GetLottieStickerMessage().GetMessage()
		case content.GetAssociatedChildMessage() != nil:
			inner = content.GetAssociatedChildMessage().GetMessage()
		case content.GetEditedMessage() != nil:
			inner = content.GetEditedMessage().GetMessage()
		}
		if inner == nil {
			return content, viewOnce
		}
		content = inner
	}
	return content, viewOnce
}
