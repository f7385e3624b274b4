package supervisor_test

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"wasup/internal/session"
	"wasup/supervisor"
)

// refresher is a scripted supervisor.Refresher.
type refresher struct {
	mu      sync.Mutex
	asked   []session.ID
	changed bool
	err     error
	took    time.Duration
}

func (r *refresher) RefreshVersion(ctx context.Context, id session.ID) (string, bool, error) {
	select {
	case <-time.After(r.took):
	case <-ctx.Done():
		return "", false, ctx.Err()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked = append(r.asked, id)
	return "2.3000.2", r.changed && r.err == nil, r.err
}

func (r *refresher) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.asked)
}

// alarms counts the log lines of level WARN and above, which wake operators.
type alarms struct {
	slog.Handler
	mu    sync.Mutex
	count int
}

func (a *alarms) Enabled(context.Context, slog.Level) bool { return true }
func (a *alarms) WithAttrs([]slog.Attr) slog.Handler       { return a }
func (a *alarms) Handle(_ context.Context, record slog.Record) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if record.Level >= slog.LevelWarn {
		a.count++
	}
	return nil
}

// guarded runs a test that decides, with outdated, whether WhatsApp refuses the version.
func guarded(t *testing.T, r *refresher, test func(t *testing.T, w *world, outdated *atomic.Bool), change ...func(*supervisor.Config)) *alarms {
	t.Helper()
	log := &alarms{Handler: slog.DiscardHandler}
	bubble(t, func(t *testing.T, w *world) {
		var outdated atomic.Bool
		outdated.Store(true)
		w.dialer.script(func(d *dialer) {
			d.onOpen = func(c *client) {
				if outdated.Load() {
					c.post(session.ClientOutdated)
				} else {
					c.post(session.SocketUp)
				}
			}
		})
		test(t, w, &outdated)
	}, append(change, func(cfg *supervisor.Config) {
		if r != nil {
			cfg.Refresher = r
		}
		cfg.Log = slog.New(log)
	})...)
	return log
}

// start starts linked sessions.
func (w *world) start(ids ...session.ID) {
	w.t.Helper()
	w.stored(ids...)
	for _, id := range ids {
		if _, _, err := w.Start(context.Background(), id); err != nil {
			w.t.Fatalf("start %s: %v", id, err)
		}
		synctest.Wait() // one after the other: a run that connects when the first is refused would reach WhatsApp too
	}
}

func (w *world) runs(ids ...session.ID) (n int) {
	for _, id := range ids {
		n += w.dialer.count(id)
	}
	return n
}

func TestOneRefusedVersionHoldsEverybodyBackAndOneProbeReleasesThem(t *testing.T) {
	r := &refresher{changed: true, took: time.Second}
	ids := names(50)
	log := guarded(t, r, func(t *testing.T, w *world, outdated *atomic.Bool) {
		outdated.Store(false)
		w.start("up")
		outdated.Store(true)
		w.start(ids...)
		for _, id := range ids {
			w.is(id, session.Errored, session.CauseClientOutdated)
		}
		if n := w.runs(ids...); n != 1 || !w.Outdated() {
			t.Fatalf("%d connects, outdated %t", n, w.Outdated())
		}
		outdated.Store(false)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if n := w.runs(ids...); n < 2 || w.Outdated() || r.count() != 1 {
			t.Fatalf("%d connects, outdated %t, %d refreshes", n, w.Outdated(), r.count())
		}
		time.Sleep(10 * time.Second) // 10 sessions connect per second
		synctest.Wait()
		for _, id := range append(ids, "up") {
			w.is(id, session.Ready, session.CauseConnected)
		}
		if n := w.runs(ids...); n != len(ids)+1 {
			t.Errorf("%d connects for %d sessions and one refusal", n, len(ids))
		}
		if w.dialer.count("up") != 1 {
			t.Error("a connected session was touched")
		}
	})
	if log.count != 1 {
		t.Errorf("%d alarms for one refused version", log.count)
	}
}

// probes counts the connects of every session. times returns when each happened, from the first.
func (w *world) probes(outdated *atomic.Bool) (times func() []time.Duration) {
	var mu sync.Mutex
	var first time.Time
	var all []time.Duration
	w.dialer.script(func(d *dialer) {
		d.onOpen = func(c *client) {
			mu.Lock()
			if first.IsZero() {
				first = time.Now()
			}
			all = append(all, time.Since(first))
			mu.Unlock()
			if outdated.Load() {
				c.post(session.ClientOutdated)
			} else {
				c.post(session.SocketUp)
			}
		}
	})
	return func() []time.Duration {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(all)
	}
}

func TestRefusedProbesFollowEachOtherMoreAndMoreSlowly(t *testing.T) {
	for name, r := range map[string]*refresher{
		"the same version": {}, "not looked up": {err: errDatabase}, "nobody looks": nil,
	} {
		t.Run(name, func(t *testing.T) {
			ids := names(10)
			guarded(t, r, func(t *testing.T, w *world, outdated *atomic.Bool) {
				probed := w.probes(outdated)
				w.start(ids...)
				time.Sleep(time.Hour)
				synctest.Wait()
				var pauses []time.Duration
				times := probed()
				for i := 1; i < len(times) && i <= 9; i++ {
					pauses = append(pauses, (times[i] - times[i-1]).Round(time.Second))
				}
				const s = time.Second
				if want := []time.Duration{5 * s, 10 * s, 20 * s, 40 * s, 80 * s, 160 * s, 320 * s, 600 * s, 600 * s}; !slices.Equal(pauses, want) {
					t.Errorf("pauses %v, want %v", pauses, want)
				}
				outdated.Store(false)
				time.Sleep(session.DefaultPolicy().CoolDown + 5*time.Second)
				synctest.Wait()
				for _, id := range ids {
					w.is(id, session.Ready, session.CauseConnected)
				}
			})
		})
	}
}

func TestOneRefusalByMistakeCostsSomeSeconds(t *testing.T) {
	ids := names(5)
	guarded(t, nil, func(t *testing.T, w *world, outdated *atomic.Bool) {
		w.start(ids...)
		outdated.Store(false)
		early := w.RequestQR(t.Context(), "new")
		wantOutcome(t, early, session.OutcomeFailed)
		if early.Cause != session.CauseClientOutdated || early.RetryAfter <= 0 || early.RetryAfter > 5*time.Second {
			t.Errorf("the answer is %+v", early)
		}
		time.Sleep(early.RetryAfter + time.Second)
		synctest.Wait()
		for _, id := range append(ids, "new") {
			w.is(id, session.Ready, session.CauseConnected)
		}
	})
}

func TestAPersonWhoAsksForACodeIsTheProbe(t *testing.T) {
	ids := names(5)
	guarded(t, nil, func(t *testing.T, w *world, outdated *atomic.Bool) {
		w.start(ids...)
		time.Sleep(400 * time.Second) // the next probe of its own follows five minutes later
		synctest.Wait()
		before := w.runs(ids...)
		outdated.Store(false)
		wantOutcome(t, w.RequestQR(t.Context(), "new"), session.OutcomeReady)
		if w.Outdated() {
			t.Error("the breaker is open although WhatsApp has accepted the probe")
		}
		time.Sleep(5 * time.Second)
		synctest.Wait()
		for _, id := range ids {
			w.is(id, session.Ready, session.CauseConnected)
		}
		if n := w.runs(ids...); n != before+len(ids) {
			t.Errorf("%d connects for %d sessions that were held back", n-before, len(ids))
		}
		outdated.Store(true) // the plan of the first refusal is over: the next one begins with a short pause again
		if _, err := w.Restart(t.Context(), ids[0]); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		outdated.Store(false)
		time.Sleep(6 * time.Second)
		synctest.Wait()
		w.is(ids[0], session.Ready, session.CauseConnected)
	})
}

func TestAProgramThatAsksInALoopIsRefusedByTheBreakerAndNotByWhatsApp(t *testing.T) {
	guarded(t, nil, func(t *testing.T, w *world, outdated *atomic.Bool) {
		times := w.probes(outdated)
		w.start(names(5)...)
		for range 600 {
			time.Sleep(time.Second)
			answer := w.RequestQR(t.Context(), "new")
			wantOutcome(t, answer, session.OutcomeFailed)
			if answer.RetryAfter < time.Second || answer.RetryAfter > time.Minute {
				t.Fatalf("try again after %s", answer.RetryAfter)
			}
		}
		if n := len(times()); n > 20 {
			t.Errorf("%d connects in ten minutes", n)
		}
	})
}

func TestAProbeThatSaysNothingIsFollowedByAnother(t *testing.T) {
	for name, open := range map[string]func(ctx context.Context, c *client) error{
		"it cannot connect": func(context.Context, *client) error {
			return &session.Error{Code: session.CodeProxyFailed, Op: "connect"}
		},
		"it hangs until its deadline": func(ctx context.Context, _ *client) error {
			<-ctx.Done()
			return &session.Error{Code: session.CodeConnectFailed, Op: "connect", Err: ctx.Err()}
		},
		"it is logged out": func(_ context.Context, c *client) error {
			c.post(session.LoggedOut)
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := &refresher{changed: true, took: time.Second}
			ids := names(5)
			guarded(t, r, func(t *testing.T, w *world, _ *atomic.Bool) {
				w.start(ids...)
				w.dialer.script(func(d *dialer) {
					d.onOpen = func(c *client) {
						if c.run.Session != ids[0] {
							c.post(session.SocketUp)
						}
					}
					d.open = func(ctx context.Context, c *client) error {
						if c.run.Session == ids[0] { // the session that was refused first becomes the probe
							return open(ctx, c)
						}
						return nil
					}
				})
				time.Sleep(time.Minute)
				synctest.Wait()
				if w.Outdated() {
					t.Fatal("still shut")
				}
			})
		})
	}
}

func TestAStoppedSessionIsNotAskedToTry(t *testing.T) {
	r := &refresher{changed: true, took: 10 * time.Second}
	ids := names(3)
	guarded(t, r, func(t *testing.T, w *world, outdated *atomic.Bool) {
		w.start(ids...)
		if _, err := w.StopSession(t.Context(), ids[0]); err != nil {
			t.Fatal(err)
		}
		outdated.Store(false)
		time.Sleep(time.Minute)
		synctest.Wait()
		w.is(ids[0], session.NotInitialized, session.CauseStopped)
		w.is(ids[1], session.Ready, session.CauseConnected)
		w.is(ids[2], session.Ready, session.CauseConnected)
	})
}

func TestThoseOnTheirWayDoNotRaiseAnotherAlarm(t *testing.T) {
	r := &refresher{changed: true}
	ids := names(20)
	log := guarded(t, r, func(t *testing.T, w *world, _ *atomic.Bool) {
		w.dialer.script(func(d *dialer) { d.onOpen = nil })
		w.start(ids...)
		for _, id := range ids[:19] {
			w.dialer.last(id).post(session.ClientOutdated)
		}
		synctest.Wait()
		if r.count() != 0 {
			t.Fatal("the version was changed under a run that was still on its way")
		}
		w.dialer.script(func(d *dialer) { d.onOpen = func(c *client) { c.post(session.SocketUp) } })
		w.dialer.last(ids[19]).post(session.ClientOutdated)
		time.Sleep(5 * time.Second)
		synctest.Wait()
		for _, id := range ids {
			w.is(id, session.Ready, session.CauseConnected)
		}
		if n := w.runs(ids...); n != 40 || r.count() != 1 {
			t.Errorf("%d connects, %d refreshes", n, r.count())
		}
	})
	if log.count != 1 {
		t.Errorf("%d alarms", log.count)
	}
}

func TestAShutGateStopsWithTheProcess(t *testing.T) {
	guarded(t, &refresher{took: time.Hour}, func(_ *testing.T, w *world, _ *atomic.Bool) { w.start(names(3)...) })
	guarded(t, nil, func(_ *testing.T, w *world, _ *atomic.Bool) { w.start(names(3)...) })
}
