package whatsapp

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	eventlog "wasup/internal/events"
	"wasup/internal/session"
	"wasup/internal/whatsapp/inbound"
)

// failing is a journal that fails with err.
type failing struct {
	inbound.EventLog
	err  error
	kept int
}

func (j *failing) Append(context.Context, ...eventlog.Event) error {
	if j.err == nil {
		j.kept++
	}
	return j.err
}

// noLIDs knows no mapping between LIDs and phone numbers.
type noLIDs struct{ store.LIDStore }

func (noLIDs) GetPNForLID(context.Context, types.JID) (types.JID, error) { return types.JID{}, nil }
func (noLIDs) GetLIDForPN(context.Context, types.JID) (types.JID, error) { return types.JID{}, nil }

func TestNothingIsAcknowledgedOnceReceivingHasEnded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var posted []session.InputKind
		r := newRun(context.Background(), session.Run{Session: "a", Post: func(in session.Input) { posted = append(posted, in.Kind) }},
			true, slog.New(slog.DiscardHandler))
		defer r.end()
		journal, own := &failing{}, &account{}
		wa := whatsmeow.NewClient(&store.Device{LIDs: noLIDs{}}, nil)
		c := &receiving{
			run: r, wa: wa, conn: &attempt{}, sending: &sending{run: r, account: own}, journal: journal, failures: &failures{}, admins: &admins{},
			translator: func() *inbound.Translator {
				return &inbound.Translator{Session: r.Session, Own: own.addresses, Client: wa, Journal: journal, Timeout: time.Minute, Log: r.log, Lines: &inbound.LineLimit{}}
			},
		}
		ended := false
		for i := range rapid.IntRange(1, 30).Draw(t, "events") {
			switch rapid.SampledFrom([]string{"message", "message", "journal fails", "ratchet fails", "device removed", "last word", "close"}).Draw(t, "what") {
			case "journal fails":
				journal.err = &session.Error{Code: session.CodeStoreFull}
				continue
			case "ratchet fails":
				c.storeFailed(&session.Error{Code: session.CodeStoreUnavailable})
				ended = true
				continue
			case "device removed":
				r.step(runInput{kind: inputDeviceRemoved})
				continue
			case "last word":
				r.post(session.Input{Kind: session.SocketLost})
				continue
			case "close":
				r.step(runInput{kind: inputCloseAsked})
				ended = true
				continue
			}
			source := types.MessageSource{Chat: testJID, Sender: testJID}
			before := journal.kept
			kept, ours := c.receive(&events.Message{
				Info:    types.MessageInfo{MessageSource: source, ID: fmt.Sprint(i)},
				Message: &waE2E.Message{Conversation: proto.String("hello")},
			})
			if !ours || kept != (journal.kept == before+1) || kept && ended {
				t.Fatalf("ours %t, acknowledged %t, kept %d more, receiving has ended: %t", ours, kept, journal.kept-before, ended)
			}
			ended = ended || journal.err != nil
		}
		if len(posted) > 1 {
			t.Fatalf("posted %v", posted)
		}
	})
}
