package sandbox

import (
	"encoding/json"

	waBinary "go.mau.fi/whatsmeow/binary"
)

// mexAbout is the id of the query that sets the about text (whatsmeow user.go, mutationUpdateTextStatus).
const mexAbout = "9152604461510864"

// profileHandlers is the table of what devices ask about people, and of what there is nothing to tell about.
func profileHandlers() map[string]queryHandler {
	return map[string]queryHandler{
		"privacy get privacy":                     queryPrivacy,
		"privacy set privacy":                     setPrivacy,
		"privacy set tokens":                      (*conn).issueToken,
		"blocklist get -":                         queryBlocklist,
		"blocklist set item":                      (*conn).updateBlocklist,
		"w:profile:picture get picture":           (*conn).queryPicture,
		"w:profile:picture set picture":           (*conn).changePicture,
		"w:profile:picture set -":                 (*conn).changePicture,
		"status set status":                       setAboutText,
		"status get privacy":                      answerNotFound, // clients then take WhatsApp's default
		"disappearing_mode set disappearing_mode": setTimer,
		"w:mex get query":                         (*conn).queryMex,
		"w:biz get business_profile":              answerNotFound, // nobody here is a business
		"urn:xmpp:whatsapp:push get settings":     answerEmpty,
		"tos set notice":                          answerEmpty,
		"bot get bot": func(*conn, *device, *waBinary.Node) ([]waBinary.Node, *queryError) {
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
func (c *conn) queryMex(dev *device, query *waBinary.Node) ([]waBinary.Node, *queryError) {
	request := query.GetChildByTag("query")
	if attr(&request, "query_id") != mexAbout {
		return mexAnswer(`{"data":null,"errors":[{"message":"item-not-found","path":[],"extensions":{"error_code":404,"is_retryable":false,"severity":"CRITICAL"}}]}`), nil
	}
	var asked struct {
		Variables struct {
			Input struct {
				Text *string `json:"text"`
			} `json:"input"`
		} `json:"variables"`
	}
	if err := json.Unmarshal(bytesOf(&request), &asked); err != nil {
		return nil, errBadRequest
	}
	text := ""
	if asked.Variables.Input.Text != nil {
		text = *asked.Variables.Input.Text
	}
	if err := dev.account.setAbout(text); err != nil {
		return nil, errNotAcceptable
	}
	return mexAnswer(`{"data":{"xwa2_update_text_status":{"result":"SUCCESS"}}}`), nil
}

func mexAnswer(body string) []waBinary.Node {
	return []waBinary.Node{{Tag: "result", Content: []byte(body)}}
}
