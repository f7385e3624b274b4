package messages

import "wasup/httpapi/rest"

// messageExamples is one message of each kind.
func messageExamples() []rest.Example {
	return []rest.Example{
		{Name: "text", Summary: "a text", Body: `{"to":"+54 9 11 5555-0101","text":"Hello"}`},
		{Name: "mention", Summary: "a text that mentions somebody in a group", Body: `{"to":"120363041234567890@g.us","text":"@5491155550101 is it you?","mentions":["5491155550101"]}`},
		{Name: "reply", Summary: "a reply", Body: `{"to":"5491155550101","text":"Yes","quote":{"id":"3A5B0C0D","sender":"5491155550101","text":"Open today?"}}`},
		{Name: "preview", Summary: "a link with a preview", Body: `{"to":"5491155550101","text":"See https://shop.example/1","preview":{"url":"https://shop.example/1","title":"The shop"}}`},
		{Name: "image", Summary: "an image from an address", Body: `{"to":"5491155550101","kind":"image","media":{"url":"https://shop.example/a.jpg"},"text":"Our new shop"}`},
		{Name: "video", Summary: "a video that was uploaded", Body: `{"to":"5491155550101","kind":"video","media":{"upload":"UPLOAD"},"text":"How it works"}`},
		{Name: "audio", Summary: "a file of sound", Body: `{"to":"5491155550101","kind":"audio","media":{"url":"https://shop.example/a.mp3"}}`},
		{Name: "voice", Summary: "a voice note: ogg with opus", Body: `{"to":"5491155550101","kind":"voice","media":{"url":"https://shop.example/a.ogg"}}`},
		{Name: "document", Summary: "a document in base64", Body: `{"to":"5491155550101","kind":"document","media":{"base64":"JVBERi0xLjQK","name":"invoice.pdf","mime":"application/pdf"}}`},
		{Name: "sticker", Summary: "a sticker: WebP", Body: `{"to":"5491155550101","kind":"sticker","media":{"url":"https://shop.example/a.webp"}}`},
		{Name: "location", Summary: "a place", Body: `{"to":"5491155550101","location":{"latitude":-34.6037,"longitude":-58.3816,"name":"Obelisco"}}`},
		{Name: "contact", Summary: "a contact", Body: `{"to":"5491155550101","contacts":[{"name":"Ana","vcard":"BEGIN:VCARD\nVERSION:3.0\nFN:Ana\nTEL;type=CELL;waid=5491155550102:+54 9 11 5555-0102\nEND:VCARD"}]}`},
		{Name: "poll", Summary: "a poll", Body: `{"to":"5491155550101","poll":{"question":"When?","options":["today","tomorrow"],"selectable":1}}`},
		{Name: "reaction", Summary: "a reaction; an empty one takes it back", Body: `{"to":"5491155550101","kind":"reaction","reaction":"👍","target":{"id":"3A5B0C0D","sender":"5491155550101"}}`},
		{Name: "edit", Summary: "another text for a message of one's own", Body: `{"to":"5491155550101","kind":"edit","text":"Open until 8","target":{"id":"3EB0C767D097B7C7C030","from_me":true}}`},
		{Name: "revoke", Summary: "a message of one's own deleted for everyone", Body: `{"to":"5491155550101","kind":"revoke","target":{"id":"3EB0C767D097B7C7C030","from_me":true}}`},
		{Name: "later", Summary: "not before a time, and not long after it", Body: `{"to":"5491155550101","text":"Good morning","send_at":"2030-01-01T09:00:00-03:00","expires_in":600}`},
	}
}
