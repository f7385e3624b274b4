package sandbox

import (
	"encoding/json"

	waBinary "go.mau.fi/whatsmeow/binary"

	"wasup/internal/sandbox/stanza"
)

// mexAbout is the id of the query that sets the about text (whatsmeow user.go, mutationUpdateTextStatus).
const mexAbout = "9152604461510864"

// queryHandlers is the table of what devices ask about people, and of what there is nothing to tell about.
func (p *profiles) queryHandlers() map[string]queryHandler {
	return map[string]queryHandler{
		"privacy get privacy":                     p.queryPrivacy,
		"privacy set privacy":                     p.setPrivacy,
		"privacy set tokens":                      p.issueToken,
		"blocklist get -":                         p.queryBlocklist,
		"blocklist set item":                      p.updateBlocklist,
		"w:profile:picture get picture":           p.queryPicture,
		"w:profile:picture set picture":           p.changePicture,
		"w:profile:picture set -":                 p.changePicture,
		"status set status":                       p.setAboutText,
		"status get privacy":                      answerNotFound, // clients then take WhatsApp's default
		"disappearing_mode set disappearing_mode": p.setTimer,
		"w:mex get query":                         p.queryMex,
		"w:biz get business_profile":              answerNotFound, // nobody here is a business
		"urn:xmpp:whatsapp:push get settings":     answerEmpty,
		"tos set notice":                          answerEmpty,
		"bot get bot": func(*device, *waBinary.Node) ([]waBinary.Node, *stanza.QueryError) {
			return []waBinary.Node{{Tag: "bot"}}, nil
		},
		"w:qr get qr":                    answerNotFound,
		"fb:thrift_iq get order":         answerNotFound,
		"newsletter set live_updates":    answerNotFound,
		"newsletter get messages":        answerNotFound,
		"newsletter get message_updates": answerNotFound,
	}
}

// queryMex answers the queries that are written in GraphQL. The about text is the one that has an effect; all
// others, newsletters above all, get an error as GraphQL words it.
func (p *profiles) queryMex(dev *device, query *waBinary.Node) ([]waBinary.Node, *stanza.QueryError) {
	request := query.GetChildByTag("query")
	if stanza.Attr(&request, "query_id") != mexAbout {
		return mexAnswer(`{"data":null,"errors":[{"message":"item-not-found","path":[],"extensions":{"error_code":404,"is_retryable":false,"severity":"CRITICAL"}}]}`), nil
	}
	var asked struct {
		Variables struct {
			Input struct {
				Text *string `json:"text"`
			} `json:"input"`
		} `json:"variables"`
	}
	if err := json.Unmarshal(stanza.Bytes(&request), &asked); err != nil {
		return nil, stanza.ErrBadRequest
	}
	text := ""
	if asked.Variables.Input.Text != nil {
		text = *asked.Variables.Input.Text
	}
	if err := p.setAbout(dev.account, text); err != nil {
		return nil, stanza.ErrNotAcceptable
	}
	return mexAnswer(`{"data":{"xwa2_update_text_status":{"result":"SUCCESS"}}}`), nil
}

func mexAnswer(body string) []waBinary.Node {
	return []waBinary.Node{{Tag: "result", Content: []byte(body)}}
}
