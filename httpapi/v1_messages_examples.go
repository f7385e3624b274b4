package httpapi

// messageExamples is one message of each kind.
func messageExamples() []example {
	return []example{
		{"text", "a text", `{"to":"+54 9 11 5555-0101","text":"Hello"}`},
		{"mention", "a text that mentions somebody in a group", `{"to":"120363041234567890@g.us","text":"@5491155550101 is it you?","mentions":["5491155550101"]}`},
		{"reply", "a reply", `{"to":"5491155550101","text":"Yes","quote":{"id":"3A5B0C0D","sender":"5491155550101","text":"Open today?"}}`},
		{"preview", "a link with a preview", `{"to":"5491155550101","text":"See https://shop.example/1","preview":{"url":"https://shop.example/1","title":"The shop"}}`},
		{"image", "an image from an address", `{"to":"5491155550101","kind":"image","media":{"url":"https://shop.example/a.jpg"},"text":"Our new shop"}`},
		{"video", "a video that was uploaded", `{"to":"5491155550101","kind":"video","media":{"upload":"UPLOAD"},"text":"How it works"}`},
		{"audio", "a file of sound", `{"to":"5491155550101","kind":"audio","media":{"url":"https://shop.example/a.mp3"}}`},
		{"voice", "a voice note: ogg with opus", `{"to":"5491155550101","kind":"voice","media":{"url":"https://shop.example/a.ogg"}}`},
		{"document", "a document in base64", `{"to":"5491155550101","kind":"document","media":{"base64":"JVBERi0xLjQK","name":"invoice.pdf","mime":"application/pdf"}}`},
		{"sticker", "a sticker: WebP", `{"to":"5491155550101","kind":"sticker","media":{"url":"https://shop.example/a.webp"}}`},
		{"location", "a place", `{"to":"5491155550101","location":{"latitude":-34.6037,"longitude":-58.3816,"name":"Obelisco"}}`},
		{"contact", "a contact", `{"to":"5491155550101","contacts":[{"name":"Ana","vcard":"BEGIN:VCARD\nVERSION:3.0\nFN:Ana\nTEL;type=CELL;waid=5491155550102:+54 9 11 5555-0102\nEND:VCARD"}]}`},
		{"poll", "a poll", `{"to":"5491155550101","poll":{"question":"When?","options":["today","tomorrow"],"selectable":1}}`},
		{"reaction", "a reaction; an empty one takes it back", `{"to":"5491155550101","kind":"reaction","reaction":"👍","target":{"id":"3A5B0C0D","sender":"5491155550101"}}`},
		{"edit", "another text for a message of one's own", `{"to":"5491155550101","kind":"edit","text":"Open until 8","target":{"id":"3EB0C767D097B7C7C030","from_me":true}}`},
		{"revoke", "a message of one's own deleted for everyone", `{"to":"5491155550101","kind":"revoke","target":{"id":"3EB0C767D097B7C7C030","from_me":true}}`},
		{"later", "not before a time, and not long after it", `{"to":"5491155550101","text":"Good morning","send_at":"2030-01-01T09:00:00-03:00","expires_in":600}`},
	}
}
