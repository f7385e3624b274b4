package sandbox_test

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"
	"google.golang.org/protobuf/proto"

	"wasup/internal/sandbox"
	"wasup/internal/sandbox/phones"
)

// asKilled copies a state folder as a killed server leaves it: with the saved state and an incomplete file.
func asKilled(t *testing.T, server *sandbox.Server, folder string) string {
	t.Helper()
	if err := server.SaveState(); err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(t.TempDir(), "state")
	if err := os.CopyFS(copied, os.DirFS(folder)); err != nil {
		t.Fatal(err)
	}
	half := filepath.Join(copied, "media", "0123456789ABCDEF01234567.new")
	if err := os.WriteFile(half, []byte("half a fi"), 0o600); err != nil {
		t.Fatal(err)
	}
	return copied
}

func TestAFileThatWasUploadedBeforeARestartIsDownloadedAfterIt(t *testing.T) {
	folder := t.TempDir()
	server, own, peer, client := settledChat(t, folder)
	fromClient, fromPhone := someBytes(40_000), someBytes(20_000)
	image := imageOf(client.upload(fromClient, whatsmeow.MediaImage))
	sent, err := client.cli.SendMessage(testContext(t), peer.JID(), &waE2E.Message{ImageMessage: image})
	if err != nil {
		t.Fatal(err)
	}
	waitID(t, peer, sent.ID, func(m phones.Message) bool { return m.Kind == phones.KindImage })
	// Wait for the phone's echo: then no file is incomplete when the folder is copied.
	wait(client, 0, func(m *events.Message) bool { return !m.Info.IsFromMe && m.Message.GetImageMessage() != nil })
	id := sendKind(t, peer, phones.Outgoing{To: own.Number(), Kind: phones.KindDocument, Media: &phones.Attachment{Data: fromPhone, FileName: "plan.pdf"}})
	document := wait(client, 0, hasID(id)).Message.GetDocumentMessage()
	gone := client.upload(someBytes(500), whatsmeow.MediaVideo)
	files := server.Media().List()
	if err = server.Media().Take(files[len(files)-1].ID, http.StatusGone, false); err != nil {
		t.Fatal(err)
	}
	client.cli.Disconnect()
	for _, next := range []string{asKilled(t, server, folder), folder} {
		closeServer(t, server)
		server = newServer(t, sandbox.Config{State: next})
		client = openDevice(t, server, client.dsn)
		client.connect()
		if got, err := client.cli.Download(testContext(t), image); err != nil || !bytes.Equal(got, fromClient) {
			t.Fatalf("the client's own file: %d bytes, %v", len(got), err)
		}
		if got, err := client.cli.Download(testContext(t), document); err != nil || !bytes.Equal(got, fromPhone) {
			t.Fatalf("the phone's file: %d bytes, %v", len(got), err)
		}
		back := phoneOf(t, server, peer.Number())
		if got, err := waitID(t, back, sent.ID, func(phones.Message) bool { return true }).Media.Bytes(); err != nil || !bytes.Equal(got, fromClient) {
			t.Fatalf("the file in the phone's message: %d bytes, %v", len(got), err)
		}
		code, part := plainHTTP(t, server, http.MethodGet, image.GetDirectPath(), nil, http.Header{"Range": {"bytes=100-199"}})
		if code != http.StatusPartialContent || len(part) != 100 {
			t.Errorf("a part of it: %d, %d bytes", code, len(part))
		}
		if code, _ = plainHTTP(t, server, http.MethodGet, gone.DirectPath, nil, nil); code != http.StatusGone {
			t.Errorf("the file that was taken away answers %d", code)
		}
		client.cli.Disconnect()
	}
}

func TestProfilesComeBack(t *testing.T) {
	folder := t.TempDir()
	server, own, peer, client := settledChat(t, folder)
	ctx := testContext(t)
	jpeg := append([]byte{0xff, 0xd8, 0xff}, someBytes(900)...)
	group := newGroup(t, own, "", peer)
	for what, err := range map[string]error{
		"about":   client.cli.SetStatusMessage(ctx, types.SetStatusInput{Text: proto.String("at sea")}),
		"picture": peer.SetPicture(jpeg),
		"timer":   client.cli.SetDefaultDisappearingTimer(ctx, 24*time.Hour),
	} {
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	if _, err := client.cli.SetPrivacySetting(ctx, types.PrivacySettingTypeLastSeen, types.PrivacySettingNone); err != nil {
		t.Fatal(err)
	}
	if _, err := client.cli.UpdateBlocklist(ctx, peer.JID(), events.BlocklistChangeActionBlock); err != nil {
		t.Fatal(err)
	}
	if _, err := client.cli.SetGroupPhoto(ctx, group, jpeg); err != nil {
		t.Fatal(err)
	}
	client.cli.Disconnect()
	next := asKilled(t, server, folder)
	closeServer(t, server)
	// The pictures are older than MaxMediaAge. They stay because profiles show them.
	server = newServer(t, sandbox.Config{State: next, MaxMediaAge: time.Nanosecond})
	if about := phoneOf(t, server, own.Number()).About(); about != "at sea" {
		t.Errorf("about %q", about)
	}
	client = openDevice(t, server, client.dsn)
	client.connect()
	for _, jid := range []types.JID{peer.JID(), group} {
		info, err := client.cli.GetProfilePictureInfo(ctx, jid, nil)
		if err != nil {
			t.Fatalf("%s: %v", jid, err)
		}
		if got, err := client.cli.DownloadMediaWithOnlyPath(ctx, info.DirectPath); err != nil || !bytes.Equal(got, jpeg) {
			t.Errorf("%s: %d bytes, %v", jid, len(got), err)
		}
	}
	if got, err := phoneOf(t, server, peer.Number()).Picture(); err != nil || !bytes.Equal(got, jpeg) {
		t.Errorf("the phone's own picture: %d bytes, %v", len(got), err)
	}
	settings, err := client.cli.TryFetchPrivacySettings(ctx, true)
	if err != nil || settings.LastSeen != types.PrivacySettingNone || settings.Profile != types.PrivacySettingAll {
		t.Errorf("privacy %+v, %v", settings, err)
	}
	if list, err := client.cli.GetBlocklist(ctx); err != nil || len(list.JIDs) != 1 || list.JIDs[0] != peer.LID() {
		t.Errorf("blocked %+v, %v", list, err)
	}
}

// uploads uploads files of 900 bytes to a server and returns their paths.
func uploads(t *testing.T, client *device, n int) []string {
	t.Helper()
	var paths []string
	for range n {
		paths = append(paths, client.upload(someBytes(900), whatsmeow.MediaImage).DirectPath)
	}
	return paths
}

func TestFilesOnDiskAreBoundedInSizeAndAge(t *testing.T) {
	folder := t.TempDir()
	server, _, _, client := settledChat(t, folder)
	paths := uploads(t, client, 4)
	client.cli.Disconnect()
	onDisk := func() int {
		entries, err := os.ReadDir(filepath.Join(folder, "media"))
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	for _, limit := range []struct {
		cfg  sandbox.Config
		want []int // status of each file
		kept int
	}{
		{sandbox.Config{}, []int{200, 200, 200, 200}, 4},
		{sandbox.Config{MaxMedia: 3000}, []int{404, 200, 200, 200}, 3},
		{sandbox.Config{MaxMediaAge: time.Nanosecond}, []int{404, 404, 404, 404}, 0},
	} {
		closeServer(t, server)
		limit.cfg.State = folder
		server = newServer(t, limit.cfg)
		for i, path := range paths {
			if code, _ := plainHTTP(t, server, http.MethodGet, path, nil, nil); code != limit.want[i] {
				t.Errorf("%+v: file %d answers %d", limit.cfg, i, code)
			}
		}
		if n := onDisk(); n != limit.kept {
			t.Errorf("%+v: %d files on disk, expected %d", limit.cfg, n, limit.kept)
		}
	}
}

func TestADamagedFileIsMissedAndNoOther(t *testing.T) {
	folder := t.TempDir()
	server, _, _, client := settledChat(t, folder)
	paths := uploads(t, client, 4)
	files := server.Media().List()
	client.cli.Disconnect()
	closeServer(t, server)
	for i, damage := range [][]byte{{}, {0, 0, 0, 9, '{'}, []byte("\x00\x00\x00\x02{}")} {
		if err := os.WriteFile(filepath.Join(folder, "media", files[i].ID), damage, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	server = newServer(t, sandbox.Config{State: folder})
	for i, path := range paths {
		want := http.StatusNotFound
		if i == len(paths)-1 {
			want = http.StatusOK
		}
		if code, _ := plainHTTP(t, server, http.MethodGet, path, nil, nil); code != want {
			t.Errorf("file %d answers %d, expected %d", i, code, want)
		}
	}
}
