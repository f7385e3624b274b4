package whatsapp_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"wasup/internal/message"
	"wasup/internal/sandbox"
	"wasup/internal/sandbox/phones"
	"wasup/internal/session"
	"wasup/internal/store"
	"wasup/internal/store/pgtest"
	"wasup/internal/whatsapp"
)

// These environment variables pass the server, the database and the recipients to a child process, which will be
// killed.
const (
	childServer     = "WASUP_WHATSAPP_TEST_CHILD_SERVER"
	childDSN        = "WASUP_WHATSAPP_TEST_CHILD_DSN"
	childRecipients = "WASUP_WHATSAPP_TEST_CHILD_RECIPIENTS"
)

// sendUntilKilled is the child's main function. It sends to each recipient in turn, and writes the id of each message
// that WhatsApp has acknowledged.
func sendUntilKilled() error {
	ctx := context.Background()
	st, err := store.Open(ctx, os.Getenv(childDSN), store.Options{})
	if err != nil {
		return err
	}
	dialer, err := whatsapp.New(whatsapp.Config{
		WebsocketURL: os.Getenv(childServer), RootPublicKey: testAuthority.RootPublicKey(),
		DB: st.DB(), Read: st.ReadDB(), Commit: st.Commit, Devices: st.Sessions(),
	})
	if err == nil {
		err = dialer.Start(ctx)
	}
	if err != nil {
		return err
	}
	up := make(chan session.Input, 64)
	client, err := dialer.Open(ctx, session.Run{Session: "a", Incarnation: 1, Post: func(in session.Input) { up <- in }})
	if err != nil {
		return err
	}
	if in := <-up; in.Kind != session.SocketUp {
		return fmt.Errorf("%s: %s", in.Kind, in.Detail)
	}
	recipients := strings.Split(os.Getenv(childRecipients), ",")
	for n := 0; ; n++ {
		id := fmt.Sprintf("3EB0%06X%06X", os.Getpid(), n)
		if _, err := message.Send.With(text(id, recipients[n%len(recipients)])).Do(ctx, client); err != nil {
			return err
		}
		// Write each line with one call: the reader drops an incomplete last line.
		if _, err := os.Stdout.WriteString(id + "\n"); err != nil {
			return err
		}
	}
}

func TestAfterKill9NoKeyIsUsedTwice(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) { survivesKill9(t, "sqlite:"+filepath.Join(t.TempDir(), "wasup.db")) })
	t.Run("postgres", func(t *testing.T) { survivesKill9(t, pgtest.DSN(t)) })
}

func survivesKill9(t *testing.T, dsn string) {
	st, err := store.Open(testContext(t), dsn, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	h := &house{t: t, server: newServer(t, sandbox.Config{}), store: st}
	h.dialer = h.newDialer()
	own := h.phone()
	device := h.link("a", own)
	friends := []*sandbox.Phone{h.phone(), h.phone(), h.phone()}
	var recipients []string
	l := h.open("a")
	l.expect(session.SocketUp)
	for i, friend := range friends {
		if i > 0 { // the first friend does not answer, so every message to it still begins a session
			if err := friend.SetScript(phones.ScriptEcho); err != nil {
				t.Fatal(err)
			}
		}
		recipients = append(recipients, friend.LID().String())
		if _, err := l.client.Send(testContext(t), text(fmt.Sprintf("3EB1%012d", i), recipients[i])); err != nil {
			t.Fatal(err)
		}
	}
	h.drained(own, device)
	l.nothingMore()
	if err := errors.Join(h.dialer.Stop(testContext(t)), st.Close()); err != nil {
		t.Fatal(err)
	}
	var acknowledged []string
	for round := range 6 {
		acknowledged = append(acknowledged, killAfter(t, 5+11*round, childServer+"="+h.server.URL(), childDSN+"="+dsn,
			childRecipients+"="+strings.Join(recipients, ","))...)
	}
	if st, err = store.Open(testContext(t), dsn, store.Options{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	h.store = st
	h.dialer = h.newDialer()
	last := h.open("a")
	last.expect(session.SocketUp)
	for i, friend := range friends {
		id := fmt.Sprintf("3EB2%012d", i)
		if _, err := last.client.Send(testContext(t), text(id, recipients[i])); err != nil {
			t.Fatal(err)
		}
		if _, err := friend.WaitMessage(testContext(t), func(m phones.Message) bool { return m.ID == id }); err != nil {
			t.Fatal(err)
		}
	}
	h.wantHealthy(own, device)
	shown := make(map[string]int)
	for _, friend := range friends {
		for _, m := range friend.Messages() {
			shown[m.ID] += m.Copies
		}
	}
	for _, id := range acknowledged {
		if shown[id] != 1 {
			t.Errorf("message %s was shown %d times", id, shown[id])
		}
	}
	last.nothingMore()
}

// killAfter runs a child until that many messages are acknowledged, and kills it while it sends the next one. It
// returns the ids of the acknowledged messages.
func killAfter(t *testing.T, messages int, env ...string) []string {
	t.Helper()
	child := exec.CommandContext(testContext(t), os.Args[0])
	child.Env = append(os.Environ(), env...)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	var ids []string
	for reader := bufio.NewReader(out); ; {
		line, err := reader.ReadString('\n')
		if err != nil {
			break // the pipe ends with the child
		}
		ids = append(ids, strings.TrimSpace(line))
		if len(ids) == messages {
			if err := child.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := child.Wait(); len(ids) < messages || child.ProcessState.Exited() {
		t.Fatalf("the child ended by itself after %d messages: %v", len(ids), err)
	}
	return ids
}
