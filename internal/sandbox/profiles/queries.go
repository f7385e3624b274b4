package profiles

import (
	"encoding/json"

	waBinary "go.mau.fi/whatsmeow/binary"

	"wasup/internal/sandbox/accounts"
	"wasup/internal/sandbox/stanza"
)

// mexAbout is the id of the query that sets the about text (whatsmeow user.go, mutationUpdateTextStatus).
const mexAbout = "9152604461510864"

// Queries returns the handlers of queries about accounts, by namespace, type and first child. Some always answer "not
// found" or nothing.
func (p *Profiles) Queries() map[string]accounts.QueryHandler {
	return map[string]accounts.QueryHandler{
		"privacy get privacy":                     p.queryPrivacy,
		"privacy set privacy":                     p.setPrivacy,
		"privacy set tokens":                      p.issueToken,
		"blocklist get -":                         p.queryBlocklist,
		"blocklist set item":                      p.updateBlocklist,
		"w:profile:picture get picture":           p.queryPicture,
		"w:profile:picture set picture":           p.changePicture,
		"w:profile:picture set -":                 p.changePicture,
		"status set status":                       p.setAboutText,
		"status get privacy":                      accounts.AnswerNotFound, // clients then take WhatsApp's default
		"disappearing_mode set disappearing_mode": p.setTimer,
		"w:mex get query":                         p.queryMex,
		"w:biz get business_profile":              accounts.AnswerNotFound, // nobody here is a business
		"urn:xmpp:whatsapp:push get settings":     accounts.AnswerEmpty,
		"tos set notice":                          accounts.AnswerEmpty,
		"bot get bot": func(*accounts.Device, *waBinary.Node) ([]waBinary.Node, *stanza.QueryError) {
			return []waBinary.Node{{Tag: "bot"}}, nil
		},
		"w:qr get qr":                    accounts.AnswerNotFound,
		"fb:thrift_iq get order":         accounts.AnswerNotFound,
		"newsletter set live_updates":    accounts.AnswerNotFound,
		"newsletter get messages":        accounts.AnswerNotFound,
		"newsletter get message_updates": accounts.AnswerNotFound,
	}
}

// queryMex answers GraphQL queries. Only the query that sets the about text has an effect. All others, such as those
// about newsletters, get a GraphQL error.
func (p *Profiles) queryMex(dev *accounts.Device, query *waBinary.Node) ([]waBinary.Node, *stanza.QueryError) {
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
	if err := p.SetAbout(dev.Account, text); err != nil {
		return nil, stanza.ErrNotAcceptable
	}
	return mexAnswer(`{"data":{"xwa2_update_text_status":{"result":"SUCCESS"}}}`), nil
}

func mexAnswer(body string) []waBinary.Node {
	return []waBinary.Node{{Tag: "result", Content: []byte(body)}}
}
