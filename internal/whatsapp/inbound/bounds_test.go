package inbound

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"pgregory.net/rapid"

	eventlog "wasup/internal/events"
	"wasup/internal/message"
	"wasup/internal/session"
)

// strictLIDs fails the test if it is asked about what is no address: PostgreSQL refuses such a query. It also fails if it is
// asked about more people at once than any list of a message may have.
type strictLIDs struct {
	store.LIDStore
	t interface{ Errorf(string, ...any) }
}

func (s strictLIDs) check(jid types.JID) (types.JID, error) {
	if jid.User == "" || strings.Trim(jid.User, "0123456789") != "" {
		s.t.Errorf("the database was asked about %q", jid)
	}
	return types.JID{}, nil
}

func (s strictLIDs) GetPNForLID(_ context.Context, lid types.JID) (types.JID, error) {
	return s.check(lid)
}

func (s strictLIDs) GetLIDForPN(_ context.Context, pn types.JID) (types.JID, error) {
	return s.check(pn)
}

func (s strictLIDs) others(_ context.Context, people []types.JID) (map[types.JID]types.JID, error) {
	if len(people) > 1100 {
		s.t.Errorf("the database was asked about %d people at once", len(people))
	}
	for _, person := range people {
		_, _ = s.check(person)
	}
	return nil, nil
}

// strictSecrets has a secret for every message.
type strictSecrets struct {
	store.MsgSecretStore
	t interface{ Errorf(string, ...any) }
}

func (s strictSecrets) GetMessageSecret(_ context.Context, _, sender types.JID, id types.MessageID) ([]byte, types.JID, error) {
	if strings.ContainsRune(id+sender.User, 0) || !utf8.ValidString(id+sender.User) {
		s.t.Errorf("the database was asked about %q of %q", id, sender)
	}
	return make([]byte, 32), sender, nil
}

// emptyLog is a log without events.
type emptyLog struct{ EventLog }

func (emptyLog) Find(context.Context, session.ID, ...string) (eventlog.Event, bool, error) {
	return eventlog.Event{}, false, nil
}

func newTranslator(t interface{ Errorf(string, ...any) }, log *slog.Logger) *Translator {
	own, lid := types.NewJID("34600000001", types.DefaultUserServer), types.NewJID("1001", types.HiddenUserServer)
	device := &store.Device{ID: &own, LID: lid, LIDs: strictLIDs{t: t}, MsgSecrets: strictSecrets{t: t}}
	return &Translator{
		Session: "51", Own: func() (types.JID, types.JID) { return own, lid }, Client: whatsmeow.NewClient(device, nil), Log: log,
		Journal: emptyLog{}, Timeout: time.Minute, Lines: &LineLimit{}, Others: strictLIDs{t: t}.others,
		Sent: func(_ context.Context, _ session.ID, id string) (message.Message, bool, error) {
			if strings.ContainsRune(id, 0) || !utf8.ValidString(id) {
				t.Errorf("the database was asked about %q", id)
			}
			return message.Message{}, false, nil
		},
	}
}

var (
	extremeTimes = []int64{0, 1, -1, math.MinInt64, math.MaxInt64, 1767530000, 1767530000000, 253402300800, 253402300799, 1 << 40, -62135596801}
	texts        = []string{
		"", "hola", "\x00", "\xff\xfe", "34600000001@s.whatsapp.net", "1001@lid", "a\x00b@lid", "\xff@s.whatsapp.net", "1.2.3@lid",
		"120363@g.us", "@lid", "x@evil", "99999999999999999999999@lid", "status@broadcast",
	}
)

func anyTime(t *rapid.T) time.Time {
	return time.Unix(rapid.OneOf(rapid.SampledFrom(extremeTimes), rapid.Int64()).Draw(t, "time"), 0)
}

func anyText(t *rapid.T) string { return rapid.SampledFrom(texts).Draw(t, "text") }

// fill sets a few fields of a message, to a depth.
func fill(t *rapid.T, m protoreflect.Message, depth int) {
	fields := m.Descriptor().Fields()
	for range rapid.IntRange(0, 4).Draw(t, "fields") {
		field := fields.Get(rapid.IntRange(0, fields.Len()-1).Draw(t, "field"))
		switch {
		case field.IsMap():
		case field.IsList():
			list := m.Mutable(field).List()
			for range rapid.IntRange(0, 3).Draw(t, "items") {
				if field.Message() == nil {
					list.Append(anyValue(t, field))
				} else if depth > 0 {
					fill(t, list.AppendMutable().Message(), depth-1)
				}
			}
		case field.Message() == nil:
			m.Set(field, anyValue(t, field))
		case depth > 0:
			fill(t, m.Mutable(field).Message(), depth-1)
		}
	}
}

func anyValue(t *rapid.T, field protoreflect.FieldDescriptor) protoreflect.Value {
	switch field.Kind() {
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(rapid.Bool().Draw(t, "bool"))
	case protoreflect.EnumKind:
		return protoreflect.ValueOfEnum(protoreflect.EnumNumber(rapid.Int32Range(-1, 30).Draw(t, "enum")))
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
		return protoreflect.ValueOfInt32(rapid.SampledFrom([]int32{0, 1, -1, math.MinInt32, math.MaxInt32}).Draw(t, "int32"))
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		return protoreflect.ValueOfUint32(rapid.SampledFrom([]uint32{0, 1, 2, 86400, math.MaxUint32}).Draw(t, "uint32"))
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		return protoreflect.ValueOfInt64(rapid.SampledFrom(extremeTimes).Draw(t, "int64"))
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return protoreflect.ValueOfUint64(rapid.SampledFrom([]uint64{0, 1, 1 << 33, 1 << 63, math.MaxUint64}).Draw(t, "uint64"))
	case protoreflect.FloatKind:
		return protoreflect.ValueOfFloat32(float32(rapid.SampledFrom([]float64{0, math.NaN(), math.Inf(1)}).Draw(t, "float")))
	case protoreflect.DoubleKind:
		return protoreflect.ValueOfFloat64(rapid.SampledFrom([]float64{0, -34.6, 90.1, -181, 1e300, math.NaN(), math.Inf(1), math.Inf(-1)}).Draw(t, "double"))
	case protoreflect.StringKind:
		return protoreflect.ValueOfString(anyText(t))
	default:
		return protoreflect.ValueOfBytes(bytes.Repeat([]byte{0xFF}, rapid.SampledFrom([]int{0, 1, 12, 32, 300}).Draw(t, "bytes")))
	}
}

func anySource(t *rapid.T) types.MessageSource {
	chat := rapid.SampledFrom([]types.JID{
		types.NewJID("34600000002", types.DefaultUserServer), types.NewJID("1002", types.HiddenUserServer),
		types.NewJID("120363", types.GroupServer), types.StatusBroadcastJID, types.NewJID("1", types.NewsletterServer),
	}).Draw(t, "chat")
	sender := rapid.SampledFrom([]types.JID{chat, types.NewJID("1001", types.HiddenUserServer), types.NewJID("1003", types.HiddenUserServer)}).Draw(t, "sender")
	return types.MessageSource{
		Chat: chat, Sender: sender, IsFromMe: sender.User == "1001", IsGroup: chat.Server == types.GroupServer || chat.Server == types.BroadcastServer,
	}
}

func anyEvent(t *rapid.T) any {
	source, at := anySource(t), anyTime(t)
	info := types.MessageInfo{MessageSource: source, ID: anyText(t), PushName: anyText(t), Timestamp: at}
	call := types.BasicCallMeta{From: source.Sender, Timestamp: at, CallCreator: source.Sender, CallID: anyText(t)}
	switch rapid.IntRange(0, 9).Draw(t, "kind") {
	case 0:
		return &events.UndecryptableMessage{Info: info}
	case 1:
		return &events.Receipt{MessageSource: source, Timestamp: at, Type: types.ReceiptTypeRead, MessageIDs: []string{anyText(t)}}
	case 2:
		return &events.CallOffer{BasicCallMeta: call}
	case 3:
		return &events.CallTerminate{BasicCallMeta: call, Reason: anyText(t)}
	case 4:
		return &events.GroupInfo{
			JID: source.Chat, Sender: &source.Sender, Timestamp: at, Join: []types.JID{source.Sender},
			Name: &types.GroupName{Name: anyText(t), NameSetAt: at}, Topic: &types.GroupTopic{Topic: anyText(t), TopicSetAt: at},
		}
	case 5:
		return &events.JoinedGroup{Type: "new", GroupInfo: types.GroupInfo{JID: source.Chat, GroupCreated: at}}
	case 6:
		return &events.Picture{JID: types.NewJID("120363", types.GroupServer), Author: source.Sender, Timestamp: at, PictureID: anyText(t)}
	default:
		var m waE2E.Message
		fill(t, m.ProtoReflect(), 5)
		raw, err := proto.Marshal(&m)
		if err != nil {
			t.Skip("no stanza can carry this")
		}
		if err = proto.Unmarshal(raw, &m); err != nil {
			t.Skip("whatsmeow refuses it")
		}
		e := &events.Message{Info: info, RawMessage: &m}
		if rapid.Bool().Draw(t, "newsletter") {
			e.NewsletterMeta = &events.NewsletterMessageMeta{EditTS: at, OriginalTS: at}
		}
		return e.UnwrapRaw()
	}
}

// checkBounds fails if a number or a time of an event is outside of the bounds that docs/events.md lists.
func checkBounds(t *rapid.T, event *eventlog.Event) {
	if !json.Valid(event.Data) || !utf8.Valid(event.Data) {
		t.Fatalf("%s is no JSON", event.Data)
	}
	var common struct {
		ID string    `json:"id"`
		At time.Time `json:"timestamp"`
		message.Content
		Data    *message.Content `json:"content"`
		Expires int              `json:"expires_in"`
	}
	if err := json.Unmarshal(event.Data, &common); err != nil {
		t.Fatalf("%s: %v", event.Data, err)
	}
	now := time.Now()
	bad := common.At.Before(oldest) || common.At.After(now.Add(maxAhead+time.Minute)) || len(common.ID) > maxID ||
		common.Expires < 0 || common.Expires > maxExpiration
	if c := common.Data; c != nil {
		if m := c.Media; m != nil {
			bad = bad || m.Size < 0 || m.Size > maxFileSize || m.Width < 0 || m.Width > maxSide || m.Height < 0 || m.Height > maxSide ||
				m.Seconds < 0 || m.Seconds > maxSeconds || len(m.Waveform) > maxWaveform || len(m.Waveform) > 0 && m.Waveform[0] > maxLoudness
		}
		if l := c.Location; l != nil {
			bad = bad || !onEarth(l.Latitude, l.Longitude)
		}
		if p := c.Poll; p != nil {
			bad = bad || p.Selectable < 0 || p.Selectable > len(p.Options)
		}
	}
	if r := event.Remote; r != nil {
		bad = bad || r.Length < 0 || r.Length > maxFileSize
	}
	if bad {
		t.Fatalf("out of bounds: %s", event.Data)
	}
}

func TestWhateverAStrangerSendsIsToldWithinItsBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var log bytes.Buffer
		translator := newTranslator(t, slog.New(slog.NewTextHandler(&log, nil)))
		evt := anyEvent(t)
		list, ours, err := translator.Translate(context.Background(), evt)
		if !ours || err != nil || log.Len() > 0 {
			t.Fatalf("%T: ours %t, %v, log %s", evt, ours, err, log.String())
		}
		if _, is := evt.(*events.Message); !is && len(list) == 0 {
			t.Fatalf("%T gave no event", evt)
		}
		for i := range list {
			checkBounds(t, &list[i])
		}
	})
}

func TestATimeThatNobodyCanHaveSentIsTheTimeOfReceipt(t *testing.T) {
	for _, at := range extremeTimes {
		got, before := Moment(time.Unix(at, 0)), time.Now().Add(-time.Second)
		if possible := at == 1767530000; possible != got.Equal(time.Unix(at, 0)) || !possible && got.Before(before) {
			t.Errorf("%d became %s", at, got)
		}
	}
	soon := time.Now().Add(24 * time.Hour) // of a clock that is a day behind
	if got := Moment(soon); !got.Equal(soon) {
		t.Errorf("%s became %s", soon, got)
	}
}

func TestLinesAboutStrangersAreLimited(t *testing.T) {
	var l LineLimit
	now := time.Now()
	for i := range 20 {
		if l.allow(now) != (i < linesPerMinute) {
			t.Errorf("line %d", i)
		}
	}
	if !l.allow(now.Add(time.Minute)) {
		t.Error("no line in the next minute")
	}
}

func TestAPanicOfTheTranslationIsOneShortLine(t *testing.T) {
	var log bytes.Buffer
	translator := newTranslator(t, slog.New(slog.NewTextHandler(&log, nil)))
	translator.Own = func() (types.JID, types.JID) { panic(fmt.Sprint("a bug\n", strings.Repeat("x", 1000))) }
	for range 20 {
		list, ours, err := translator.Translate(context.Background(), &events.Message{
			Info: types.MessageInfo{ID: "3EB0A1", MessageSource: types.MessageSource{Chat: types.NewJID("1002", types.HiddenUserServer), Sender: types.NewJID("1002", types.HiddenUserServer)}},
			Message: &waE2E.Message{ExtendedTextMessage: &waE2E.ExtendedTextMessage{ContextInfo: &waE2E.ContextInfo{
				StanzaID: proto.String("3EB0A0"), Participant: proto.String("1003@lid"), QuotedMessage: &waE2E.Message{},
			}}},
		})
		if !ours || err != nil || len(list) != 1 || list[0].Type != eventlog.TypeMessage {
			t.Fatalf("%v, %t, %v", list, ours, err)
		}
	}
	lines := strings.Split(strings.TrimSpace(log.String()), "\n")
	if len(lines) != linesPerMinute || len(lines[0]) > 400 || strings.Contains(log.String(), "goroutine") {
		t.Errorf("%d lines: %s", len(lines), log.String())
	}
}
