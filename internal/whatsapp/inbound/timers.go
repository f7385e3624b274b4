package inbound

import (
	"context"
	"time"

	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"

	eventlog "wasup/internal/events"
	"wasup/internal/message"
	"wasup/internal/whatsapp/timers"
)

// TimerOf returns the timer of a chat. known is false if nobody has set one yet. An error is a failure of the database.
type TimerOf func(ctx context.Context, chat message.Address) (timer message.Timer, known bool, err error)

// Timers returns the settings of disappearing timers that one of whatsmeow's events contains, and the entries of the log
// that tell of changes. The caller stores the settings first, because somebody who reads of one may answer at once. A
// repeated delivery tells of it again. An error is a failure of the database.
func (c *Translator) Timers(ctx context.Context, evt any) (changes []timers.Change, list []eventlog.Event, err error) {
	if c.Timer == nil {
		return nil, nil, nil
	}
	t := &translation{c: c, ctx: ctx}
	list, _, _ = t.attempt(evt, func() ([]eventlog.Event, bool) {
		switch e := evt.(type) {
		case *events.Message:
			changes, list = t.timerOfMessage(e)
		case *events.GroupInfo:
			changes, list = t.timerOfGroup(e)
		}
		return list, true
	})
	return changes, list, t.err
}

// setsTimer reports whether a message is nothing but a setting of its chat's timer, which Timers tells of.
func (t *translation) setsTimer(e *events.Message) bool {
	content, _ := unwrapped(e.Message)
	_, valid := timers.Setting(content, e.Info.Timestamp, e.Info.IsFromMe)
	return valid && t.c.Timer != nil && isPersonal(e)
}

// isPersonal reports whether a message belongs to a chat with one person. Only there its sender decides about the timer.
func isPersonal(e *events.Message) bool {
	switch e.Info.Chat.Server {
	case types.DefaultUserServer, types.HiddenUserServer:
		return e.RawMessage.GetDeviceSentMessage() == nil || e.Info.IsFromMe
	default:
		return false
	}
}

// timerOfMessage returns the timer that a message sets or states, if it is newer than what is known.
func (t *translation) timerOfMessage(e *events.Message) ([]timers.Change, []eventlog.Event) {
	content, _ := unwrapped(e.Message)
	if content == nil || !isPersonal(e) {
		return nil, nil
	}
	at := Moment(e.Info.Timestamp)
	timer, valid := timers.Setting(content, at, e.Info.IsFromMe)
	if !valid {
		timer, valid = timers.Stated(contextOf(content), at, e.Info.IsFromMe)
	}
	if !valid {
		return nil, nil
	}
	chat := t.chatOf(&e.Info.MessageSource)
	known, is := t.timerOf(chat)
	id := idOf(e.Info.ID)
	isSame := timer.Seconds == known.Seconds
	if timer.Source = id; isSame {
		timer.Source = known.Source
	}
	told := isSame && known.Source != id // otherwise this may be a repeated delivery
	sets := content.GetProtocolMessage().GetType() == waE2E.ProtocolMessage_EPHEMERAL_SETTING
	switch {
	case t.err != nil, is && !timer.Replaces(known):
		return nil, nil
	case is && timer == known && told && !sets: // as most messages of a chat with a timer
		return nil, nil
	}
	changes := []timers.Change{{Chat: chat, Timer: timer}}
	if told && !sets {
		return changes, nil
	}
	data := eventlog.TimerData{ID: id, Chat: chat, FromMe: timer.ByMe, Seconds: timer.Seconds, At: timer.SetAt}
	if timer.SetAt.IsZero() {
		data.At = at
	}
	if sets {
		data.By = t.address(e.Info.Sender, e.Info.SenderAlt)
	}
	return changes, []eventlog.Event{t.event(eventlog.TypeTimer, messageKey(&e.Info), data, nil)}
}

// timerOf asks the database for the timer of a chat.
func (t *translation) timerOf(chat message.Address) (timer message.Timer, known bool) {
	t.ask(func(ctx context.Context) (err error) {
		timer, known, err = t.c.Timer(ctx, chat)
		return err
	})
	return timer, known
}

// timerOfGroup returns the timer that somebody has set in a group.
func (t *translation) timerOfGroup(e *events.GroupInfo) ([]timers.Change, []eventlog.Event) {
	if e.Ephemeral == nil {
		return nil, nil
	}
	at := Moment(e.Timestamp)
	timer, valid := timers.OfGroup(*e.Ephemeral, at.Truncate(time.Second))
	if !valid {
		return nil, nil
	}
	chat, by := t.address(e.JID), t.optionalAddress(e.Sender, e.SenderPN)
	data := eventlog.TimerData{Chat: chat, By: by, FromMe: t.isOwn(by), Seconds: timer.Seconds, At: at}
	key := digest(e.JID, e.Timestamp.Unix(), timer.Seconds, e.ParticipantVersionID)
	return []timers.Change{{Chat: chat, Timer: timer}}, []eventlog.Event{t.event(eventlog.TypeTimer, key, data, nil)}
}
