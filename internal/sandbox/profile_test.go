package sandbox_test

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"
	"google.golang.org/protobuf/proto"

	"wasup/internal/sandbox"
	"wasup/internal/sandbox/observe"
	"wasup/internal/sandbox/phones"
	"wasup/internal/sandbox/profiles"
)

func TestPrivacySettingsAreKeptAndToldToOtherDevices(t *testing.T) {
	server, own, client, _ := linked(t, phones.ScriptSilent)
	second := newDevice(t, server)
	second.pair(own)
	ctx := testContext(t)
	// The server notifies a change as a difference to the settings that the device knows.
	if _, err := second.cli.TryFetchPrivacySettings(ctx, true); err != nil {
		t.Fatal(err)
	}
	if _, err := client.cli.SetPrivacySetting(ctx, types.PrivacySettingTypeLastSeen, types.PrivacySettingNone); err != nil {
		t.Fatal(err)
	}
	told := wait[*events.PrivacySettings](second, 0, nil)
	settings, err := client.cli.TryFetchPrivacySettings(ctx, true)
	if err != nil || settings.LastSeen != types.PrivacySettingNone || settings.Profile != types.PrivacySettingAll || !told.LastSeenChanged {
		t.Fatalf("%+v, %+v, %v", settings, told, err)
	}
	if _, err = client.cli.SetPrivacySetting(ctx, types.PrivacySettingTypeLastSeen, "nonsense"); !errors.Is(err, whatsmeow.ErrIQBadRequest) {
		t.Errorf("nonsense: %v", err)
	}
	if err = client.cli.SetDefaultDisappearingTimer(ctx, 24*time.Hour); err != nil {
		t.Error(err)
	}
	noUnknownQueries(t, server)
}

func TestWhoIsBlockedIsNotHeard(t *testing.T) {
	server, own, client, peer := linked(t, phones.ScriptSilent)
	ctx := testContext(t)
	if list, err := client.cli.GetBlocklist(ctx); err != nil || len(list.JIDs) != 0 {
		t.Fatalf("%+v, %v", list, err)
	}
	list, err := client.cli.UpdateBlocklist(ctx, peer.JID(), events.BlocklistChangeActionBlock)
	if err != nil || !slices.Equal(list.JIDs, []types.JID{peer.LID()}) {
		t.Fatalf("%+v, %v", list, err)
	}
	if _, err = peer.SendText(ctx, own.Number(), "can you hear me?"); err != nil {
		t.Fatal(err)
	}
	if list, err = client.cli.UpdateBlocklist(ctx, peer.LID(), events.BlocklistChangeActionUnblock); err != nil || len(list.JIDs) != 0 {
		t.Fatalf("%+v, %v", list, err)
	}
	if _, err = peer.SendText(ctx, own.Number(), "and now?"); err != nil {
		t.Fatal(err)
	}
	wait(client, 0, hasText("and now?"))
	for _, event := range client.seen(0) {
		if message, ok := event.(*events.Message); ok && message.Message.GetConversation() == "can you hear me?" {
			t.Fatal("a blocked phone was heard")
		}
	}
	noUnknownQueries(t, server)
}

func TestAboutAndPicturesAreShown(t *testing.T) {
	server, own, client, peer := linked(t, phones.ScriptSilent)
	ctx := testContext(t)
	client.sendText(peer.JID(), "hi")
	waitText(t, peer, "hi")
	if err := client.cli.SetStatusMessage(ctx, types.SetStatusInput{Text: proto.String("busy")}); err != nil {
		t.Fatal(err)
	}
	if own.About() != "busy" {
		t.Errorf("about %q", own.About())
	}
	if err := peer.SetAbout("at the beach"); err != nil {
		t.Fatal(err)
	}
	if _, err := client.cli.GetProfilePictureInfo(ctx, peer.JID(), nil); !errors.Is(err, whatsmeow.ErrProfilePictureNotSet) {
		t.Errorf("no picture: %v", err)
	}
	jpeg := append([]byte{0xff, 0xd8, 0xff}, someBytes(500)...)
	if err := peer.SetPicture(jpeg); err != nil {
		t.Fatal(err)
	}
	told := wait[*events.Picture](client, 0, nil)
	info, err := client.cli.GetProfilePictureInfo(ctx, peer.JID(), nil)
	if err != nil || info.ID != told.PictureID || told.JID != peer.LID() {
		t.Fatalf("%+v, %+v, %v", info, told, err)
	}
	if got, err := client.cli.DownloadMediaWithOnlyPath(ctx, info.DirectPath); err != nil || !bytes.Equal(got, jpeg) {
		t.Fatalf("%d bytes, %v", len(got), err)
	}
	if again, err := client.cli.GetProfilePictureInfo(ctx, peer.JID(), &whatsmeow.GetProfilePictureParams{ExistingID: info.ID}); err != nil || again != nil {
		t.Errorf("the same picture: %+v, %v", again, err)
	}
	users, err := client.cli.GetUserInfo(ctx, []types.JID{peer.JID()})
	if err != nil || users[peer.JID()].Status != "at the beach" || users[peer.JID()].PictureID != info.ID || users[peer.JID()].LID != peer.LID() {
		t.Fatalf("%+v, %v", users, err)
	}
	group := newGroup(t, own, "", peer)
	if id, err := client.cli.SetGroupPhoto(ctx, group, jpeg); err != nil || id == "" {
		t.Fatalf("%q, %v", id, err)
	}
	wait(client, 0, func(p *events.Picture) bool { return p.JID == group && !p.Remove })
	if _, err = client.cli.SetGroupPhoto(ctx, group, nil); err != nil {
		t.Fatal(err)
	}
	wait(client, 0, func(p *events.Picture) bool { return p.JID == group && p.Remove })
	if _, err = client.cli.SetGroupPhoto(ctx, group, []byte("a text")); !errors.Is(err, whatsmeow.ErrInvalidImageFormat) {
		t.Errorf("a picture that is none: %v", err)
	}
	if err = peer.SetAbout(strings.Repeat("x", 140)); !errors.Is(err, profiles.ErrBadAbout) {
		t.Errorf("a long text: %v", err)
	}
	noUnknownQueries(t, server)
}

func TestWhoWatchesLearnsWhoIsThere(t *testing.T) {
	server, own, client, peer := linked(t, phones.ScriptSilent)
	ctx := testContext(t)
	client.cli.Store.PushName = "Client"
	if err := client.cli.SendPresence(ctx, types.PresenceAvailable); err != nil {
		t.Fatal(err)
	}
	if err := client.cli.SubscribePresence(ctx, peer.LID()); err != nil {
		t.Fatal(err)
	}
	wait(client, 0, func(p *events.Presence) bool { return !p.Unavailable && p.From == peer.LID() })
	peer.SetOnline(false)
	wait(client, 0, func(p *events.Presence) bool { return p.Unavailable && p.From == peer.LID() && !p.LastSeen.IsZero() })
	from := client.mark()
	peer.SetOnline(true)
	wait(client, from, func(p *events.Presence) bool { return !p.Unavailable })
	for state, want := range map[phones.ChatState]events.ChatPresence{
		phones.StateComposing: {State: types.ChatPresenceComposing},
		phones.StateRecording: {State: types.ChatPresenceComposing, Media: types.ChatPresenceMediaAudio},
		phones.StatePaused:    {State: types.ChatPresencePaused},
	} {
		from = client.mark()
		if err := peer.SendChatState(ctx, own.Number(), state); err != nil {
			t.Fatal(err)
		}
		wait(client, from, func(p *events.ChatPresence) bool {
			return p.State == want.State && p.Media == want.Media && p.Chat == peer.LID()
		})
	}
	feed, stop := server.Subscribe()
	defer stop()
	if err := client.cli.SendChatPresence(ctx, peer.LID(), types.ChatPresenceComposing, types.ChatPresenceMediaAudio); err != nil {
		t.Fatal(err)
	}
	until(t, feed, func(e observe.Event) bool {
		return e.Kind == observe.EventChatState && e.Account == peer.Number() && e.Detail == "recording "+own.Number()
	})
	// In a group the event names the sender.
	group := newGroup(t, peer, "", own)
	from = client.mark()
	if err := peer.SendChatState(ctx, group.String(), phones.StateComposing); err != nil {
		t.Fatal(err)
	}
	wait(client, from, func(p *events.ChatPresence) bool { return p.Chat == group && p.Sender == peer.LID() })
	if err := peer.SendChatState(ctx, own.Number(), "dancing"); !errors.Is(err, phones.ErrBadChatState) {
		t.Errorf("dancing: %v", err)
	}
	noUnknownQueries(t, server)
}

func TestTokensOfTrustGoFromDeviceToDevice(t *testing.T) {
	server := newServer(t, sandbox.Config{})
	onePhone, otherPhone := newPhone(t, server, ""), newPhone(t, server, "")
	one, other := newDevice(t, server), newDevice(t, server)
	one.pair(onePhone)
	other.pair(otherPhone)
	ctx := testContext(t)
	other.sendText(onePhone.JID(), "a chat begins")
	wait(one, 0, hasText("a chat begins"))
	if _, err := one.cli.DangerousInternals().IssuePrivacyToken(ctx, otherPhone.LID(), time.Now()); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool {
		token, err := other.cli.Store.PrivacyTokens.GetPrivacyToken(ctx, onePhone.LID())
		if err != nil {
			t.Fatal(err)
		}
		return token != nil && len(token.Token) > 0
	})
	// From here on every message contains the token.
	if _, err := other.cli.SendMessage(ctx, onePhone.JID(), &waE2E.Message{Conversation: proto.String("trusted")}); err != nil {
		t.Fatal(err)
	}
	wait(one, 0, hasText("trusted"))
	noUnknownQueries(t, server)
}

func TestWhatTheSandboxDoesNotHaveIsRefusedInWhatsAppsWay(t *testing.T) {
	server, _, client, peer := linked(t, phones.ScriptSilent)
	ctx := testContext(t)
	if _, err := client.cli.GetSubscribedNewsletters(ctx); err == nil || !strings.Contains(err.Error(), "item-not-found") {
		t.Errorf("newsletters: %v", err)
	}
	if _, err := client.cli.GetBusinessProfile(ctx, peer.JID()); !errors.Is(err, whatsmeow.ErrIQNotFound) {
		t.Errorf("a business: %v", err)
	}
	if _, err := client.cli.ResolveContactQRLink(ctx, "nothing"); err == nil {
		t.Error("a contact link led somewhere")
	}
	if _, err := client.cli.GetStatusPrivacy(ctx); err != nil {
		t.Errorf("privacy of status messages: %v", err)
	}
	if _, err := client.cli.CreateGroup(ctx, whatsmeow.ReqCreateGroup{Name: "x", GroupParent: types.GroupParent{IsParent: true}}); err == nil {
		t.Error("a community was made")
	}
	noUnknownQueries(t, server)
}
