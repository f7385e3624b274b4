package supervisor_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"wasup/internal/session"
	"wasup/supervisor"
)

// crowd counts the runs that connect at the same time: from Dialer.Open until the slot is free again.
type crowd struct {
	mu   sync.Mutex
	now  int
	most int
}

func (c *crowd) enter() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now++
	c.most = max(c.most, c.now)
}

func (c *crowd) leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now--
}

func TestOnlySoManySessionsConnectAtATimeAndAllGetTheirCode(t *testing.T) {
	var connecting crowd
	var drawn sync.Map
	bubble(t, func(t *testing.T, w *world) {
		w.dialer.script(func(d *dialer) {
			d.open = func(context.Context, *client) error {
				connecting.enter()
				time.Sleep(10 * time.Millisecond)
				return nil
			}
			d.onOpen = func(c *client) {
				c.qr("code of " + string(c.run.Session))
			}
		})
		answers := map[session.ID]<-chan session.QRAnswer{}
		for i := range 20 {
			id := session.ID(fmt.Sprint(i + 1))
			answers[id] = w.request(context.Background(), id)
		}
		for id, answer := range answers {
			if got := <-answer; got.QR.Code != "code of "+string(id) {
				t.Errorf("session %s was answered %+v", id, got)
			}
		}
	}, func(c *supervisor.Config) {
		c.Connecting = 3
		c.Prepare = func(code string) {
			drawn.Store(code, true)
			time.Sleep(5 * time.Millisecond)
			connecting.leave()
		}
	})
	for i := range 20 {
		if _, ok := drawn.Load(fmt.Sprint("code of ", i+1)); !ok {
			t.Errorf("the code of session %d was not prepared", i+1)
		}
	}
	if connecting.most != 3 {
		t.Errorf("%d sessions connected at a time, want 3", connecting.most)
	}
}

func TestOneThatHangsKeepsNobodyWaiting(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.dialer.script(func(d *dialer) {
			d.open = func(ctx context.Context, c *client) error {
				if c.run.Session == "hangs" {
					<-ctx.Done()
					return ctx.Err()
				}
				return nil
			}
			d.onOpen = func(c *client) { c.qr("code") }
		})
		hanging, giveUp := context.WithCancel(context.Background())
		defer giveUp()
		w.request(hanging, "hangs")
		synctest.Wait()
		began := time.Now()
		if got := <-w.request(context.Background(), "51"); got.Outcome != session.OutcomeQR {
			t.Fatalf("answered %+v", got)
		}
		if waited := time.Since(began); waited > time.Second {
			t.Fatalf("waited %s behind a session that hangs", waited)
		}
	}, func(c *supervisor.Config) { c.Connecting = 1 })
}

func TestWhoeverLinksADeviceDoesNotStandBehindTheFleet(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.dialer.script(func(d *dialer) {
			d.open = func(ctx context.Context, c *client) error {
				if c.run.Linked {
					time.Sleep(900 * time.Millisecond)
				}
				return nil
			}
			d.onOpen = func(c *client) {
				if c.run.Linked {
					c.post(session.SocketUp)
				} else {
					c.qr("code")
				}
			}
		})
		for i := range 30 {
			w.stored(session.ID(fmt.Sprintf("stored-%d", i)))
		}
		if err := w.Boot(context.Background()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(100 * time.Millisecond)
		began := time.Now()
		if got := <-w.request(context.Background(), "new"); got.Outcome != session.OutcomeQR || !time.Now().Equal(began) {
			t.Fatalf("answered %+v after %s", got, time.Since(began))
		}
	}, func(c *supervisor.Config) { c.Connecting, c.BootRate = 2, 1000 })
}
