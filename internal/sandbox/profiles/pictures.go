package profiles

import (
	"crypto/sha256"
	"encoding/base64"
	"slices"
	"strconv"
	"time"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types"

	"wasup/internal/sandbox/accounts"
	"wasup/internal/sandbox/groups"
	"wasup/internal/sandbox/media"
	"wasup/internal/sandbox/observe"
	"wasup/internal/sandbox/stanza"
)

func (p *profile) currentPicture() media.Picture {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.picture
}

// changePicture sets the picture and returns the previous one.
func (p *profile) changePicture(next media.Picture) media.Picture {
	p.mu.Lock()
	defer p.mu.Unlock()
	before := p.picture
	p.picture = next
	return before
}

// Picture returns the profile picture of an account.
func (p *Profiles) Picture(a *accounts.Account) media.Picture { return p.of(a).currentPicture() }

// SetPicture sets the picture of a group, or of an account if g is nil, and tells the members or the account's chat
// partners. A nil jpeg removes the picture. It returns the id of the picture, and fails with ErrBadPicture.
func (p *Profiles) SetPicture(of *accounts.Account, g *groups.Group, actor *accounts.Account, jpeg []byte) (string, error) {
	var next media.Picture
	if jpeg != nil {
		if len(jpeg) < 4 || len(jpeg) > maxPicture || string(jpeg[:2]) != "\xff\xd8" {
			return "", ErrBadPicture
		}
		file, err := p.media.Put(actor.Number, "picture", jpeg)
		if err != nil {
			return "", err
		}
		sum := sha256.Sum256(jpeg)
		next = media.Picture{ID: strconv.FormatInt(time.Now().UnixMicro(), 10), Path: file.DirectPath, Hash: sum[:]}
	}
	var jid types.JID
	var to []*accounts.Account
	var before media.Picture
	if g != nil {
		before = g.ChangePicture(next)
		jid, to = g.JID, g.Accounts()
	} else {
		before = p.of(of).changePicture(next)
		jid, to = of.LIDJID(0), p.withPartners(of)
	}
	p.media.Show(before.Path, false)
	p.media.Show(next.Path, true)
	actor.Changed.Store(true)
	p.observer.Emit(observe.Event{Kind: observe.EventProfile, Account: actor.Number, Detail: "picture of " + jid.String()})
	change := waBinary.Node{Tag: "set", Attrs: waBinary.Attrs{"jid": jid, "id": next.ID, "author": actor.LIDJID(0)}}
	if jpeg == nil {
		change = waBinary.Node{Tag: "delete", Attrs: waBinary.Attrs{"jid": jid, "author": actor.LIDJID(0)}}
	}
	p.courier.NotifyAccounts(to, waBinary.Attrs{"from": jid, "type": "picture"}, change)
	return next.ID, nil
}

// withPartners lists an account and the accounts that its phone has chats with.
func (p *Profiles) withPartners(a *accounts.Account) []*accounts.Account {
	return append([]*accounts.Account{a}, slices.DeleteFunc(a.Phone.Partners(), func(other *accounts.Account) bool { return other == a })...)
}

// pictureTarget finds the account or the group whose picture a query is about.
func (p *Profiles) pictureTarget(dev *accounts.Device, query *waBinary.Node) (*accounts.Account, *groups.Group, *stanza.QueryError) {
	jid := stanza.JID(query, "target")
	if jid.IsEmpty() {
		if to := stanza.JID(query, "to"); to.User != "" {
			jid = to
		} else {
			return dev.Account, nil, nil
		}
	}
	if g := p.groups.Find(jid); g != nil {
		if !g.Has(dev.Account) {
			return nil, nil, stanza.ErrNotAuthorized
		}
		return nil, g, nil
	}
	if a := p.dir.Find(jid); a != nil {
		return a, nil, nil
	}
	return nil, nil, stanza.ErrNotFound
}

func (p *Profiles) queryPicture(dev *accounts.Device, query *waBinary.Node) ([]waBinary.Node, *stanza.QueryError) {
	a, g, failed := p.pictureTarget(dev, query)
	if failed != nil {
		return nil, failed
	}
	request := query.GetChildByTag("picture")
	var found media.Picture
	if g != nil {
		found = g.CurrentPicture()
	} else {
		prof := p.of(a)
		prof.mu.Lock()
		found = prof.picture
		hidden := a != dev.Account && prof.privacy["profile"] == "none"
		prof.mu.Unlock()
		if hidden || p.HasBlocked(a, dev.Account) {
			return nil, stanza.ErrNotAuthorized
		}
	}
	switch {
	case found.ID == "":
		return nil, stanza.ErrNotFound
	case stanza.Attr(&request, "id") == found.ID:
		return []waBinary.Node{{Tag: "picture", Attrs: waBinary.Attrs{"status": "304"}}}, nil
	}
	kind := stanza.Attr(&request, "type")
	if kind == "" {
		kind = "image"
	}
	return []waBinary.Node{{Tag: "picture", Attrs: waBinary.Attrs{
		"id": found.ID, "type": kind, "url": "https://" + p.media.Host() + found.Path, "direct_path": found.Path,
		"hash": base64.StdEncoding.EncodeToString(found.Hash),
	}}}, nil
}

func (p *Profiles) changePicture(dev *accounts.Device, query *waBinary.Node) ([]waBinary.Node, *stanza.QueryError) {
	a, g, failed := p.pictureTarget(dev, query)
	switch {
	case failed != nil:
		return nil, failed
	case g != nil && g.Info().Locked && !g.IsAdmin(dev.Account):
		return nil, stanza.ErrNotAuthorized
	case g == nil && a != dev.Account:
		return nil, stanza.ErrForbidden
	}
	var jpeg []byte
	if request, ok := query.GetOptionalChildByTag("picture"); ok {
		jpeg = stanza.Bytes(&request)
	}
	id, err := p.SetPicture(a, g, dev.Account, jpeg)
	if err != nil {
		return nil, stanza.ErrNotAcceptable
	}
	if jpeg == nil {
		return nil, nil
	}
	return []waBinary.Node{{Tag: "picture", Attrs: waBinary.Attrs{"id": id}}}, nil
}
