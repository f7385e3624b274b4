package app

// shapeReason explains differences that stay. paths, kinds and chats are patterns, several of them separated by |; * stands for any
// text. wasup and baileys are patterns of what each sends; "" is a field that is absent. A field of a message is named
// "carla .field" as Carla's phone decrypted it and "own .field" as the phone of the sender's account did, there within
// deviceSentMessage in a chat with one person; a field of a stanza is named by its tags and its @attribute. Of a group, "key"
// is the part for one device, which holds the key of the part for all.
//
// "WhatsApp Web" in a reason means its script, by the names of its modules: WAWebE2EProtoUtils (type, decrypt-fail),
// WAWebBackendJobsCommon (mediatype), WAWebSendMsgMetaNode (meta), WAWebSendMsgCreateFanoutStanza (people) and
// WAWebSendGroupSkmsgJob (groups), WAWebE2EProtoGenerator (contents).
type shapeReason struct {
	chats, kinds, paths string
	wasup, baileys      string
	why                 string
}

const (
	anyChat    = "person|group|older group"
	anyGroup   = "group|older group|announcements"
	everywhere = anyChat + "|announcements"
)

var shapeReasons = []shapeReason{
	// What messages say.
	{
		chats: everywhere, kinds: "text", paths: "*.conversation", wasup: "hello", baileys: "",
		why: "a text without anything else is a conversation, as whatsmeow and phones send it",
	},
	{chats: everywhere, kinds: "text", paths: "*.extendedTextMessage.text", wasup: "", baileys: "hello", why: "see conversation: Baileys sends every text as an extended one"},
	{
		chats: anyChat, kinds: "mention", paths: "*.extendedTextMessage.contextInfo.nonJIDMentions", wasup: "", baileys: "0",
		why: "Baileys writes a count of mentions of everybody even if there are none; WhatsApp Web leaves it out",
	},
	{
		chats: anyChat, kinds: "document with a caption", paths: "* wrapper documentWithCaptionMessage", wasup: "present", baileys: "",
		why: "WhatsApp Web wraps a document with a caption; Baileys does not",
	},
	{
		chats: anyChat, kinds: "image to view once|video to view once", paths: "* wrapper viewOnceMessageV2", wasup: "present", baileys: "",
		why: "phones write the second wrapper, WhatsApp Web and Baileys the first; all read both",
	},
	{
		chats: anyChat, kinds: "voice to hear once", paths: "* wrapper viewOnceMessageV2Extension", wasup: "present", baileys: "",
		why: "WhatsApp Web has this wrapper for voice messages",
	},
	{
		chats: anyChat, kinds: "image to view once|video to view once|voice to hear once", paths: "* wrapper viewOnceMessage", wasup: "", baileys: "present",
		why: "see the wrappers that wasup uses",
	},
	{
		chats: anyChat, kinds: "edit|edit of an image|edit of a video|edit of a document", paths: "* wrapper editedMessage", wasup: "present", baileys: "",
		why: "whatsmeow's BuildEdit wraps an edit, so that an app that does not know edits shows nothing; phones read both",
	},
	{
		chats: anyChat, kinds: "edit of an image|edit of a video|edit of a document",
		paths: "*.protocolMessage.editedMessage.*Message.URL|*.protocolMessage.editedMessage.*Message.directPath|*.protocolMessage.editedMessage.*Message.mediaKey|" +
			"*.protocolMessage.editedMessage.*Message.mediaKeyTimestamp|*.protocolMessage.editedMessage.*Message.fileEncSHA256|*.protocolMessage.editedMessage.*Message.fileSHA256|" +
			"*.protocolMessage.editedMessage.*Message.fileLength|*.protocolMessage.editedMessage.*Message.mimetype|*.protocolMessage.editedMessage.*Message.width|" +
			"*.protocolMessage.editedMessage.*Message.height|*.protocolMessage.editedMessage.*Message.seconds|*.protocolMessage.editedMessage.*Message.JPEGThumbnail|" +
			"*.protocolMessage.editedMessage.*Message.fileName|*.protocolMessage.editedMessage.*Message.title",
		wasup: "", baileys: "*",
		why: "Baileys uploads the file again to edit its caption; phones need only the caption, in the form of the message (whatsmeow #684)",
	},
	{
		chats: "person|group", kinds: "reply to an own message", paths: "*.extendedTextMessage.contextInfo.participant", wasup: "<my lid>", baileys: "<me>",
		why: "Baileys names the own account by number where the chat uses LIDs, and says so in a comment; phones would not find the message",
	},
	{
		chats: anyChat, kinds: "reply to image|reply to video|reply to audio|reply to voice|reply to document|reply to sticker|reply to an own message",
		paths: "*.quotedMessage.*Message.URL|*.quotedMessage.*Message.directPath|*.quotedMessage.*Message.mediaKey|*.quotedMessage.*Message.fileEncSHA256|" +
			"*.quotedMessage.*Message.fileSHA256|*.quotedMessage.*Message.fileLength",
		wasup: "", baileys: "*",
		why: "a quote of wasup says what the message showed; the place and the key of its file are not in the log of events, and phones open their own copy",
	},
	{
		chats: anyChat, kinds: "reply to an own message",
		paths: "*.quotedMessage.imageMessage.JPEGThumbnail|*.quotedMessage.imageMessage.mimetype|*.quotedMessage.imageMessage.width|" +
			"*.quotedMessage.imageMessage.height|*.quotedMessage.imageMessage.mediaKeyTimestamp",
		wasup: "", baileys: "*",
		why: "of what the session sent itself, a quote shows what the caller says: kind and text",
	},
	{
		chats: "announcements", kinds: "reaction",
		paths: "*.encReactionMessage.targetMessageKey.remoteJID|*.encReactionMessage.targetMessageKey.fromMe|*.encReactionMessage.targetMessageKey.ID|" +
			"*.encReactionMessage.targetMessageKey.participant|*.encReactionMessage.encPayload|*.encReactionMessage.encIV",
		wasup: "*", baileys: "",
		why: "WhatsApp Web encrypts a reaction to an announcement with its secret, and phones accept no other; Baileys cannot do it",
	},
	{
		chats: "announcements", kinds: "reaction",
		paths: "*.reactionMessage.key.remoteJID|*.reactionMessage.key.fromMe|*.reactionMessage.key.ID|*.reactionMessage.key.participant|" +
			"*.reactionMessage.text|*.reactionMessage.senderTimestampMS",
		wasup: "", baileys: "*",
		why: "see encReactionMessage",
	},

	// Stanzas of all chats.
	{
		chats: everywhere, kinds: "*", paths: "<message><reporting>|<message><reporting><reporting_token>|<message><reporting><reporting_token> content|<message><reporting><reporting_token>@v",
		wasup: "*", baileys: "",
		why: "WhatsApp Web sends the token by which a recipient can report a message; this version of Baileys sends it only if the server's properties say so",
	},
	{chats: anyChat, kinds: "reaction taken back", paths: "<message>@edit", wasup: "7", baileys: "", why: "WhatsApp Web marks a reaction that is taken back like a revocation; Baileys does not"},
	{chats: anyChat, kinds: "link|link without a title", paths: "<message>@type", wasup: "media", baileys: "text", why: "WhatsApp Web says that a text with the preview of a link is media; Baileys does not"},
	{
		chats: anyChat, kinds: "image to view once|video to view once|voice to hear once", paths: "<message><meta>|<message><meta>@view_once", wasup: "*", baileys: "",
		why: "WhatsApp Web says that a message is to be opened once; Baileys does not",
	},

	// Stanzas to one person.
	{chats: "person", kinds: "*", paths: "<message>@peer_recipient_pn", wasup: "<carla>", baileys: "", why: "WhatsApp Web names the number of a LID, if it knows it; Baileys does not"},
	{
		chats: "person", kinds: "link|link without a title|image to view once|video to view once|voice to hear once", paths: "<message><participants><to *>><enc>@mediatype", wasup: "*", baileys: "",
		why: "WhatsApp Web says the type of a link's preview and looks into the wrapper of a message to be opened once; Baileys does not",
	},
	{
		chats: "person", kinds: "edit|edit of an image|edit of a video|edit of a document", paths: "<message><participants><to *>><enc>@decrypt-fail", wasup: "hide", baileys: "",
		why: "WhatsApp Web hides an edit that cannot be decrypted; Baileys hides reactions only",
	},

	// Stanzas to groups.
	{chats: anyGroup, kinds: "*", paths: "<message>@phash", wasup: "2: and 8 characters", baileys: "", why: "WhatsApp Web sends the hash of the devices that it knows, by which the server finds those that it does not; Baileys does not"},
	{
		chats: anyGroup, kinds: "*", wasup: "*", baileys: "",
		paths: "<message><participants>|<message><participants><to *>>|<message><participants><to *>>@jid|<message><participants><to *>><enc>|<message><participants><to *>><enc> content|" +
			"<message><participants><to *>><enc>@v|<message><participants><to *>><enc>@type|* key .senderKeyDistributionMessage.groupID|" +
			"* key .senderKeyDistributionMessage.axolotlSenderKeyDistributionMessage",
		why: "whatsmeow gives every device the key of the group with each message, WhatsApp Web and Baileys only with the first; it costs bytes, and nobody misses a key",
	},
	{
		chats: "group|announcements", kinds: "text", wasup: "", baileys: "*",
		paths: "<message><participants><to <my lid:this>>|<message><participants><to <my lid:this>>@jid|<message><participants><to <my lid:this>><enc>|" +
			"<message><participants><to <my lid:this>><enc> content|<message><participants><to <my lid:this>><enc>@v|<message><participants><to <my lid:this>><enc>@type",
		why: "Baileys gives the key to the sending device itself",
	},
	{
		chats: "group|older group", kinds: "edit|edit of an image|edit of a video|edit of a document", paths: "<message><enc>@decrypt-fail", wasup: "hide", baileys: "",
		why: "WhatsApp Web hides an edit that cannot be decrypted; Baileys hides reactions only",
	},
	{
		chats: anyGroup, kinds: "edit|edit of an image|edit of a video|edit of a document|reaction*", paths: "<message><participants><to *>><enc>@decrypt-fail", wasup: "hide", baileys: "",
		why: "WhatsApp Web marks the parts for single devices, too; Baileys sends none with these",
	},
	{
		chats: "group|older group", kinds: "link|link without a title|image to view once|video to view once|voice to hear once", paths: "<message><enc>@mediatype", wasup: "*", baileys: "",
		why: "WhatsApp Web says the type of a link's preview and looks into the wrapper of a message to be opened once; Baileys does not",
	},

	// Typing.
	{chats: everywhere, kinds: "typing|recording|paused", paths: "<chatstate>@from", wasup: "", baileys: "*", why: "the server knows who sends; whatsmeow leaves the sender out"},
}
