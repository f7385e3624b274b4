// Package channels holds the channels (newsletters): who owns them, who follows them, their posts and the reactions.
//
// Posts are not encrypted. The server numbers them and delivers them to the linked devices of the followers.
package channels

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types"

	"wasup/internal/sandbox/accounts"
	"wasup/internal/sandbox/observe"
	"wasup/internal/sandbox/stanza"
)

// Errors of channels.
var (
	ErrUnknown     = errors.New("no such channel")
	ErrNotOwner    = errors.New("only the owner of the channel may do that")
	ErrUnknownPost = errors.New("the channel has no such post")
	ErrBadName     = errors.New("invalid name of a channel: expected 1 to 100 characters")
)

const (
	maxName  = 100
	maxPosts = 1000 // of a channel; the oldest are forgotten
)

// Info describes a channel.
type Info struct {
	JID       types.JID
	Name      string
	Owner     types.JID
	Followers []types.JID
	Posts     []Post
}

// Post is a message of a channel.
type Post struct {
	// ID is the id that the owner chose. Number is the one that the server gave: reactions name it.
	ID        string
	Number    int
	At        time.Time
	Reactions []Reaction
}

// Reaction is a follower's reaction to a post.
type Reaction struct {
	From  types.JID
	Emoji string
}

// Draft is a post that the owner writes.
type Draft struct {
	ID string
	// Edits says that the post with this id is edited.
	Edits bool
	// Type is the type of the stanza: text, media, poll and so on. MediaType is the one of a file.
	Type, MediaType string
	// Plain is the content, encoded as waE2E.Message.
	Plain []byte
}

type channel struct {
	jid       types.JID
	name      string
	owner     *accounts.Account
	followers []*accounts.Account
	posts     []*post
	last      int
}

type post struct {
	id        string
	number    int
	at        time.Time
	reactions map[*accounts.Account]string
}

// Set holds all channels. Its lock is held while a post is handed over, so that devices get posts in the order of their
// numbers.
type Set struct {
	dir      *accounts.Directory
	courier  *accounts.Courier
	observer *observe.Observer

	mu      sync.Mutex
	changed bool        // since the channels were saved
	removed []types.JID // since the channels were saved
	byJID   map[types.JID]*channel
	last    int64
}

// NewSet returns an empty set.
func NewSet(dir *accounts.Directory, courier *accounts.Courier, observer *observe.Observer) *Set {
	return &Set{dir: dir, courier: courier, observer: observer, byJID: make(map[types.JID]*channel)}
}

// Create creates a channel. It fails with ErrBadName, or with accounts.ErrUnknownContact for an account that was removed.
func (s *Set) Create(owner *accounts.Account, name string, followers []*accounts.Account) (types.JID, error) {
	if name == "" || utf8.RuneCountInString(name) > maxName || !utf8.ValidString(name) {
		return types.EmptyJID, ErrBadName
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.dir.Has(owner) || len(s.dir.Present(followers)) != len(followers) {
		return types.EmptyJID, accounts.ErrUnknownContact
	}
	s.last++
	c := &channel{jid: types.NewJID(fmt.Sprintf("12036340%010d", s.last), types.NewsletterServer), name: name, owner: owner}
	for _, a := range followers {
		if !slices.Contains(c.followers, a) {
			c.followers = append(c.followers, a)
		}
	}
	s.byJID[c.jid] = c
	s.changed = true
	s.observer.Emit(observe.Event{Kind: observe.EventGroup, Account: owner.Number, Detail: "channel " + c.jid.String()})
	return c.jid, nil
}

// Publish delivers a post, or a new version of one, to the followers. It fails with ErrUnknown, ErrNotOwner or
// ErrUnknownPost.
func (s *Set) Publish(owner *accounts.Account, jid types.JID, draft Draft) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	node, followers, err := s.publish(owner, jid, draft)
	if err != nil {
		return err
	}
	for _, follower := range followers {
		for _, dev := range s.dir.DevicesOf(follower) {
			s.observer.Count(func(n *observe.Counters) { n.MessagesOut++ })
			s.courier.Hand(dev, node)
		}
	}
	return nil
}

// publish stores a post and returns its stanza. The caller holds the lock.
func (s *Set) publish(owner *accounts.Account, jid types.JID, draft Draft) (waBinary.Node, []*accounts.Account, error) {
	c := s.byJID[jid]
	switch {
	case c == nil:
		return waBinary.Node{}, nil, ErrUnknown
	case c.owner != owner:
		return waBinary.Node{}, nil, ErrNotOwner
	}
	s.changed = true
	p := c.find(func(p *post) bool { return p.id == draft.ID })
	if p == nil && draft.Edits {
		return waBinary.Node{}, nil, ErrUnknownPost
	}
	if p == nil {
		c.last++
		p = &post{id: draft.ID, number: c.last, at: time.Now(), reactions: make(map[*accounts.Account]string)}
		c.posts = append(c.posts, p)
		if len(c.posts) > maxPosts {
			c.posts = c.posts[1:]
		}
	}
	attrs := waBinary.Attrs{"from": jid, "id": p.id, "t": stanza.Now(), "type": draft.Type, "server_id": strconv.Itoa(p.number)}
	plain := waBinary.Node{Tag: "plaintext", Attrs: waBinary.Attrs{"mediatype": draft.MediaType}, Content: draft.Plain}
	node := waBinary.Node{Tag: "message", Attrs: attrs, Content: []waBinary.Node{plain}}
	if draft.Edits {
		attrs["edit"] = string(types.EditAttributeAdminEdit)
		node.Content = []waBinary.Node{plain, {Tag: "meta", Attrs: waBinary.Attrs{
			"msg_edit_t": strconv.FormatInt(time.Now().UnixMilli(), 10), "original_msg_t": strconv.FormatInt(p.at.Unix(), 10),
		}}}
	}
	return node, c.followers, nil
}

func (c *channel) find(match func(*post) bool) *post {
	if i := slices.IndexFunc(c.posts, match); i >= 0 {
		return c.posts[i]
	}
	return nil
}

// React stores a follower's reaction to a post. An empty emoji takes it back. It fails with ErrUnknown for a channel that
// the account does not follow, or with ErrUnknownPost.
func (s *Set) React(from *accounts.Account, jid types.JID, number int, emoji string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.byJID[jid]
	if c == nil || c.owner != from && !slices.Contains(c.followers, from) {
		return ErrUnknown
	}
	p := c.find(func(p *post) bool { return p.number == number })
	if p == nil {
		return ErrUnknownPost
	}
	s.changed = true
	p.reactions[from] = emoji
	if emoji == "" {
		delete(p.reactions, from)
	}
	return nil
}

// Forget removes the channels of an account that was removed, and what the account did in others.
func (s *Set) Forget(a *accounts.Account) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.changed = true
	for jid, c := range s.byJID {
		if c.owner == a {
			delete(s.byJID, jid)
			s.removed = append(s.removed, jid)
			continue
		}
		c.followers = slices.DeleteFunc(c.followers, func(other *accounts.Account) bool { return other == a })
		for _, p := range c.posts {
			delete(p.reactions, a)
		}
	}
}

// List describes all channels, oldest first.
func (s *Set) List() []Info {
	s.mu.Lock()
	defer s.mu.Unlock()
	infos := make([]Info, 0, len(s.byJID))
	for _, c := range s.byJID {
		info := Info{JID: c.jid, Name: c.name, Owner: c.owner.JID(0)}
		for _, a := range c.followers {
			info.Followers = append(info.Followers, a.JID(0))
		}
		for _, p := range c.posts {
			described := Post{ID: p.id, Number: p.number, At: p.at}
			for from, emoji := range p.reactions {
				described.Reactions = append(described.Reactions, Reaction{from.JID(0), emoji})
			}
			slices.SortFunc(described.Reactions, func(a, b Reaction) int { return strings.Compare(a.From.User, b.From.User) })
			info.Posts = append(info.Posts, described)
		}
		infos = append(infos, info)
	}
	slices.SortFunc(infos, func(a, b Info) int { return strings.Compare(a.JID.User, b.JID.User) })
	return infos
}
