package sandbox

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"strings"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types"
)

// maxUsyncUsers bounds one usync query.
const maxUsyncUsers = 5000

// queryUsync tells which accounts there are, which devices they have and how phone numbers and hidden ids
// belong together. Every user asked for gets the parts that the <query> child lists.
func (c *conn) queryUsync(_ *device, query *waBinary.Node) ([]waBinary.Node, *queryError) {
	usync := query.GetChildByTag("usync")
	wanted := usync.GetChildByTag("query")
	list := usync.GetChildByTag("list")
	users := list.GetChildrenByTag("user")
	if len(users) > maxUsyncUsers {
		return nil, errBadRequest
	}
	answers := make([]waBinary.Node, 0, len(users))
	for i := range users {
		answers = append(answers, c.srv.describeUser(&users[i], wanted.GetChildren()))
	}
	attrs := waBinary.Attrs{"sid": attr(&usync, "sid"), "mode": attr(&usync, "mode"), "context": attr(&usync, "context"), "index": "0", "last": "true"}
	return []waBinary.Node{{Tag: "usync", Attrs: attrs, Content: []waBinary.Node{
		{Tag: "result"},
		{Tag: "list", Content: answers},
	}}}, nil
}

func (s *Server) describeUser(user *waBinary.Node, wanted []waBinary.Node) waBinary.Node {
	jid := attrJID(user, "jid").ToNonAD()
	contact := user.GetChildByTag("contact")
	asked := string(bytesOf(&contact))
	if jid.IsEmpty() && asked != "" {
		number, _, _ := strings.Cut(strings.TrimPrefix(asked, "+"), "@")
		jid = types.NewJID(number, types.DefaultUserServer)
	}
	account := s.dir.find(jid)
	answer := waBinary.Node{Tag: "user", Attrs: waBinary.Attrs{"jid": jid}}
	var parts []waBinary.Node
	for i := range wanted {
		switch wanted[i].Tag {
		case "devices":
			parts = append(parts, s.devicesNode(account))
		case "lid":
			if account != nil {
				parts = append(parts, waBinary.Node{Tag: "lid", Attrs: waBinary.Attrs{"val": account.lidJID(0)}})
			}
		case "contact":
			kind := "out"
			if account != nil {
				kind = "in"
				if attr(&wanted[i], "addressing_mode") == "lid" {
					answer.Attrs["jid"] = account.lidJID(0)
					answer.Attrs["pn_jid"] = account.jid(0)
				}
			}
			parts = append(parts, waBinary.Node{Tag: "contact", Attrs: waBinary.Attrs{"type": kind}, Content: []byte(asked)})
		case "status", "picture", "disappearing_mode":
			if account == nil {
				continue
			}
			if part, ok := account.profilePart(wanted[i].Tag); ok {
				parts = append(parts, part)
			}
		}
	}
	answer.Content = parts
	return answer
}

func (s *Server) devicesNode(account *account) waBinary.Node {
	var list []waBinary.Node
	if account != nil {
		list = append(list, waBinary.Node{Tag: "device", Attrs: waBinary.Attrs{"id": "0"}})
		for _, dev := range s.dir.devicesOf(account) {
			list = append(list, waBinary.Node{Tag: "device", Attrs: waBinary.Attrs{
				"id":        strconv.Itoa(int(dev.id)),
				"key-index": strconv.FormatUint(uint64(dev.keyIndex), 10),
			}})
		}
	}
	return waBinary.Node{Tag: "devices", Content: []waBinary.Node{{Tag: "device-list", Content: list}}}
}

// participantHash is the hash by which clients and servers compare lists of devices, version 2
// (whatsmeow participantListHashV2).
func participantHash(devices []types.JID) string {
	names := make([]string, len(devices))
	for i, jid := range devices {
		names[i] = jid.ADString()
	}
	slices.Sort(names)
	sum := sha256.Sum256([]byte(strings.Join(names, "")))
	return fmt.Sprintf("2:%s", base64.RawStdEncoding.EncodeToString(sum[:6]))
}
