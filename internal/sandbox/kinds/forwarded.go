package kinds

import (
	"go.mau.fi/whatsmeow/proto/waE2E"
	"google.golang.org/protobuf/proto"
)

// Forwarded says that somebody else wrote a message.
type Forwarded struct {
	Times       uint32 `json:"times,omitempty" doc:"how often it was passed on; from 5 on the apps show that it was forwarded many times"`
	Channel     string `json:"channel,omitempty" doc:"JID of the channel that it comes from"`
	ChannelName string `json:"channel_name,omitempty" doc:"name of the channel"`
	Post        int32  `json:"post,omitempty" doc:"the server's number of the channel's post"`
}

// AddTo adds it to the context of a message.
func (f *Forwarded) AddTo(info *waE2E.ContextInfo) {
	info.IsForwarded, info.ForwardingScore = proto.Bool(true), &f.Times
	if f.Channel != "" {
		info.ForwardedNewsletterMessageInfo = &waE2E.ContextInfo_ForwardedNewsletterMessageInfo{
			NewsletterJID: &f.Channel, NewsletterName: optional(f.ChannelName), ServerMessageID: &f.Post,
		}
	}
}
