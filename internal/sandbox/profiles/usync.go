package profiles

import (
	"strconv"
	"strings"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types"

	"wasup/internal/sandbox/accounts"
	"wasup/internal/sandbox/stanza"
)

// maxUsyncUsers bounds how many users one usync query may ask for.
const maxUsyncUsers = 5000

// QueryUsync answers which of the users exist, which devices they have and which hidden ids belong to their phone
// numbers. Each user in the answer gets the parts that the <query> child lists.
func (p *Profiles) QueryUsync(_ *accounts.Device, query *waBinary.Node) ([]waBinary.Node, *stanza.QueryError) {
	usync := query.GetChildByTag("usync")
	wanted := usync.GetChildByTag("query")
	list := usync.GetChildByTag("list")
	users := list.GetChildrenByTag("user")
	if len(users) > maxUsyncUsers {
		return nil, stanza.ErrBadRequest
	}
	answers := make([]waBinary.Node, 0, len(users))
	for i := range users {
		answers = append(answers, p.describeUser(&users[i], wanted.GetChildren()))
	}
	attrs := waBinary.Attrs{"sid": stanza.Attr(&usync, "sid"), "mode": stanza.Attr(&usync, "mode"), "context": stanza.Attr(&usync, "context"), "index": "0", "last": "true"}
	return []waBinary.Node{{Tag: "usync", Attrs: attrs, Content: []waBinary.Node{
		{Tag: "result"},
		{Tag: "list", Content: answers},
	}}}, nil
}

func (p *Profiles) describeUser(user *waBinary.Node, wanted []waBinary.Node) waBinary.Node {
	jid := stanza.JID(user, "jid").ToNonAD()
	contact := user.GetChildByTag("contact")
	asked := string(stanza.Bytes(&contact))
	account := p.dir.Find(jid)
	if jid.IsEmpty() && asked != "" {
		// Whatever the spelling of the number, the answer has the address of its account.
		number, _, _ := strings.Cut(strings.TrimPrefix(asked, "+"), "@")
		jid = types.NewJID(number, types.DefaultUserServer)
		if account = p.dir.Spelled(number); account != nil {
			jid = account.JID(0)
		}
	}
	answer := waBinary.Node{Tag: "user", Attrs: waBinary.Attrs{"jid": jid}}
	var parts []waBinary.Node
	for i := range wanted {
		switch wanted[i].Tag {
		case "devices":
			parts = append(parts, p.devicesNode(account))
		case "lid":
			if account != nil {
				parts = append(parts, waBinary.Node{Tag: "lid", Attrs: waBinary.Attrs{"val": account.LIDJID(0)}})
			}
		case "contact":
			kind := "out"
			if account != nil {
				kind = "in"
				if stanza.Attr(&wanted[i], "addressing_mode") == "lid" {
					answer.Attrs["jid"] = account.LIDJID(0)
					answer.Attrs["pn_jid"] = account.JID(0)
				}
			}
			parts = append(parts, waBinary.Node{Tag: "contact", Attrs: waBinary.Attrs{"type": kind}, Content: []byte(asked)})
		case "status", "picture", "disappearing_mode":
			if account == nil {
				continue
			}
			if part, ok := p.of(account).part(wanted[i].Tag); ok {
				parts = append(parts, part)
			}
		}
	}
	answer.Content = parts
	return answer
}

func (p *Profiles) devicesNode(account *accounts.Account) waBinary.Node {
	var list []waBinary.Node
	if account != nil {
		list = append(list, waBinary.Node{Tag: "device", Attrs: waBinary.Attrs{"id": "0"}})
		for _, dev := range p.dir.DevicesOf(account) {
			list = append(list, waBinary.Node{Tag: "device", Attrs: waBinary.Attrs{
				"id":        strconv.Itoa(int(dev.ID)),
				"key-index": strconv.FormatUint(uint64(dev.KeyIndex), 10),
			}})
		}
	}
	return waBinary.Node{Tag: "devices", Content: []waBinary.Node{{Tag: "device-list", Content: list}}}
}
