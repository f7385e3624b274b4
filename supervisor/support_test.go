package supervisor_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"wasup/internal/message"
	"wasup/internal/session"
	"wasup/supervisor"
)

func TestMain(m *testing.M) {
	if serveForParent() {
		return
	}
	goleak.VerifyTestMain(m)
}

// dialer is a scripted session.Dialer. It checks in all tests that no session has two open runs at the same time and
// that no client is closed twice.
type dialer struct {
	t testing.TB

	mu     sync.Mutex
	runs   map[session.ID][]*client
	opened map[session.ID]int // how many runs are open
	forgot map[session.ID]int
	// detached counts the calls of Detach, which forgot counts too
	detached map[session.ID]int
	open     func(ctx context.Context, c *client) error // called in Open; nil: Open returns at once
	onOpen   func(c *client)                            // called with each new client; nil: not called
	forget   func() error
}

func (d *dialer) Open(ctx context.Context, run session.Run) (session.Client, error) {
	c := &client{d: d, run: run, gone: make(chan struct{})}
	d.mu.Lock()
	d.runs[run.Session] = append(d.runs[run.Session], c)
	d.opened[run.Session]++
	if n := d.opened[run.Session]; n > 1 {
		d.t.Errorf("session %s has %d runs open at a time", run.Session, n)
	}
	open, onOpen := d.open, d.onOpen
	d.mu.Unlock()
	ok := false
	defer func() {
		if !ok {
			d.ended(run.Session)
		}
	}()
	if open != nil {
		if err := open(ctx, c); err != nil {
			return nil, err
		}
	}
	ok = true
	if onOpen != nil {
		onOpen(c)
	}
	return c, nil
}

func (d *dialer) ended(id session.ID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.opened[id]--
}

// Detach counts as Forget does: no test here tells the two apart by what is stored.
func (d *dialer) Detach(ctx context.Context, id session.ID) error {
	err := d.Forget(ctx, id)
	d.mu.Lock()
	defer d.mu.Unlock()
	if err == nil {
		d.detached[id]++
	}
	return err
}

func (d *dialer) Forget(_ context.Context, id session.ID) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.opened[id] > 0 {
		d.t.Errorf("the credentials of %s were deleted under an open run", id)
	}
	if d.forget != nil {
		if err := d.forget(); err != nil {
			return err
		}
	}
	d.forgot[id]++
	return nil
}

// last returns the client of a session's newest run.
func (d *dialer) last(id session.ID) *client {
	d.mu.Lock()
	defer d.mu.Unlock()
	runs := d.runs[id]
	if len(runs) == 0 {
		d.t.Fatalf("session %s has no run", id)
	}
	return runs[len(runs)-1]
}

func (d *dialer) count(id session.ID) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.runs[id])
}

func (d *dialer) stillOpen() map[session.ID]int {
	d.mu.Lock()
	defer d.mu.Unlock()
	open := make(map[session.ID]int)
	for id, n := range d.opened {
		if n != 0 {
			open[id] = n
		}
	}
	return open
}

func (d *dialer) script(do func(d *dialer)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	do(d)
}

// client is a scripted session.Client.
type client struct {
	message.Client // methods that no test here calls

	d      *dialer
	run    session.Run
	gone   chan struct{}
	mu     sync.Mutex
	closed int
	sent   []string
	paired int // how many pairing codes were asked for
	send   func(ctx context.Context, msg message.Outgoing) error
	unlink func(ctx context.Context) error
	mark   func(ctx context.Context) error // MarkRead
	close  func()
}

func (c *client) post(kind session.InputKind) { c.run.Post(session.Input{Kind: kind}) }

func (c *client) qr(codes ...string) {
	c.run.Post(session.Input{Kind: session.QRIssued, Codes: codes})
}

func (c *client) Send(ctx context.Context, msg message.Outgoing) (message.Ack, error) {
	c.mu.Lock()
	c.sent = append(c.sent, msg.Content.Text)
	send := c.send
	c.mu.Unlock()
	if send != nil {
		if err := send(ctx, msg); err != nil {
			return message.Ack{}, err
		}
	}
	return message.Ack{MessageID: msg.ID}, nil
}

func (c *client) MarkRead(ctx context.Context, _ message.ReadMark) error { return c.mark(ctx) }

func (c *client) PairPhone(_ context.Context, phone string) (string, error) {
	c.mu.Lock()
	c.paired++
	c.mu.Unlock()
	return "CODE-" + phone, nil
}

func (c *client) phones() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.paired
}

func (c *client) AnswerPasskey(context.Context, []byte) error {
	c.run.Post(session.Input{Kind: session.PasskeyAnswered, Passkey: &session.Passkey{Code: "1234"}})
	return nil
}

func (c *client) ConfirmPasskey(context.Context) error {
	c.post(session.Paired)
	return nil
}

func (c *client) Unlink(ctx context.Context) error {
	if c.unlink != nil {
		return c.unlink(ctx)
	}
	return nil
}

func (c *client) Close() {
	c.mu.Lock()
	c.closed++
	n, do := c.closed, c.close
	c.mu.Unlock()
	if n > 1 {
		c.d.t.Errorf("run %d of %s was closed %d times", c.run.Incarnation, c.run.Session, n)
		return
	}
	defer close(c.gone)
	defer c.d.ended(c.run.Session)
	if do != nil {
		do()
	}
}

func (c *client) isClosed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closed > 0
}

// store is a scripted supervisor.Store.
type store struct {
	mu      sync.Mutex
	rows    map[session.ID]session.Record
	desired func(ctx context.Context) error
	list    error
	save    func(record session.Record) error
	saves   []session.Record
}

func (s *store) SetDesired(ctx context.Context, id session.ID, desired session.Desired) (session.Record, error) {
	s.mu.Lock()
	fail := s.desired
	s.mu.Unlock()
	if fail != nil {
		if err := fail(ctx); err != nil {
			return session.Record{}, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	row := s.rows[id]
	row.ID, row.Desired = id, desired
	s.rows[id] = row
	return row, nil
}

func (s *store) Create(_ context.Context, id session.ID, desired session.Desired, settings session.Settings) (session.Record, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, exists := s.rows[id]; exists {
		return session.Record{}, &session.Error{Code: session.CodeExists, Op: "create session", Session: id}
	}
	s.rows[id] = session.Record{ID: id, Desired: desired, Settings: settings}
	return s.rows[id], nil
}

func (s *store) SaveSettings(_ context.Context, id session.ID, settings session.Settings) (session.Record, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	row, exists := s.rows[id]
	if !exists {
		return session.Record{}, &session.Error{Code: session.CodeNotFound, Op: "save settings", Session: id}
	}
	row.Settings, row.UpdatedAt = settings, time.Now()
	s.rows[id] = row
	return row, nil
}

func (s *store) Delete(_ context.Context, id session.ID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.rows, id)
	return nil
}

func (s *store) List(context.Context) ([]session.Record, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	rows := make([]session.Record, 0, len(s.rows))
	for _, row := range s.rows {
		rows = append(rows, row)
	}
	return rows, s.list
}

func (s *store) SaveObserved(_ context.Context, record session.Record) error {
	s.mu.Lock()
	save := s.save
	s.mu.Unlock()
	if save != nil {
		if err := save(record); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	row := s.rows[record.ID]
	row.State, row.Cause = record.State, record.Cause
	s.rows[record.ID] = row
	s.saves = append(s.saves, record)
	return nil
}

func (s *store) script(do func(s *store)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	do(s)
}

func (s *store) row(id session.ID) session.Record {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rows[id]
}

// observer is a scripted supervisor.Observer and supervisor.Follower.
type observer struct {
	mu       sync.Mutex
	changed  func(id session.ID, state session.State)
	lose     func() // called when a verb fails
	restart  func() // called when a session is restarted
	restarts int
	removed  []session.ID
	failed   map[session.Code]int
	wanted   int
	ready    int
}

func (o *observer) SessionChanged(id session.ID, state session.State, _ session.Cause) {
	o.mu.Lock()
	changed := o.changed
	o.mu.Unlock()
	if changed != nil {
		changed(id, state)
	}
}

func (o *observer) script(changed func(id session.ID, state session.State)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.changed = changed
}

func (o *observer) SessionRemoved(id session.ID) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.removed = append(o.removed, id)
}

func (o *observer) VerbDone(_ string, code session.Code, _ time.Duration) {
	if code == "" {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.failed[code]++
	if o.lose != nil {
		o.lose()
	}
}

// failures returns how many verbs ended with a code.
func (o *observer) failures(code session.Code) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.failed[code]
}

func (o *observer) SessionRestarted(session.Cause) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.restarts++
	if o.restart != nil {
		o.restart()
	}
}

func (o *observer) DeadLetter() {}

func (o *observer) RestoreAdvanced(wanted, ready int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.wanted, o.ready = wanted, ready
}

func (o *observer) restored() (wanted, ready int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.wanted, o.ready
}

// world is a supervisor whose dependencies are all scripted.
type world struct {
	*supervisor.Supervisor
	t        testing.TB
	dialer   *dialer
	store    *store
	observer *observer
}

func newWorld(t testing.TB, change ...func(*supervisor.Config)) *world {
	w := &world{
		t:        t,
		dialer:   &dialer{t: t, runs: map[session.ID][]*client{}, opened: map[session.ID]int{}, forgot: map[session.ID]int{}, detached: map[session.ID]int{}},
		store:    &store{rows: map[session.ID]session.Record{}},
		observer: &observer{failed: map[session.Code]int{}},
	}
	cfg := supervisor.Config{
		Dialer: w.dialer, Store: w.store, Observer: w.observer, Followers: []supervisor.Follower{w.observer}, Policy: session.DefaultPolicy(), Log: slog.New(slog.DiscardHandler),
		Restarts: 5, Window: 5 * time.Minute, MaxWaiters: 200, MaxWaitersTotal: 1000,
		SendTimeout: 30 * time.Second, SaveTimeout: 5 * time.Second, BootRate: 10,
	}
	for _, c := range change {
		c(&cfg)
	}
	w.Supervisor = supervisor.New(cfg)
	return w
}

// bubble runs a test in fake time and checks that Stop leaves nothing open.
func bubble(t *testing.T, test func(t *testing.T, w *world), change ...func(*supervisor.Config)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, change...)
		defer w.end()
		test(t, w)
	})
}

func (w *world) end() {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := w.Stop(ctx); err != nil {
		w.t.Errorf("stop: %v", err)
	}
	if open := w.dialer.stillOpen(); len(open) > 0 {
		w.t.Errorf("still open after the stop: %v", open)
	}
	time.Sleep(2 * time.Second) // protoactor's throttle of dead letters
}

// stored puts a linked session that should run into the store.
func (w *world) stored(ids ...session.ID) {
	for _, id := range ids {
		w.store.script(func(s *store) {
			s.rows[id] = session.Record{ID: id, Desired: session.DesiredRun, DeviceJID: "1:2@s.whatsapp.net", State: session.Ready, Cause: session.CauseConnected}
		})
	}
}

// up starts sessions and brings them to READY.
func (w *world) up(ids ...session.ID) {
	w.t.Helper()
	for _, id := range ids {
		if _, _, err := w.Start(context.Background(), id); err != nil {
			w.t.Fatalf("start %s: %v", id, err)
		}
	}
	synctest.Wait()
	for _, id := range ids {
		w.dialer.last(id).post(session.SocketUp)
	}
	synctest.Wait()
	for _, id := range ids {
		w.is(id, session.Ready, session.CauseConnected)
	}
}

func (w *world) is(id session.ID, state session.State, cause session.Cause) {
	w.t.Helper()
	if s, _ := w.Status(id); s.State != state || s.Cause != cause {
		w.t.Fatalf("session %s is %s, %s; want %s, %s", id, s.State, s.Cause, state, cause)
	}
}

func (w *world) supervision(id session.ID) supervisor.Supervision {
	w.t.Helper()
	for _, node := range w.Tree() {
		if node.Status.ID == id {
			return node
		}
	}
	w.t.Fatalf("session %s is not in the tree", id)
	return supervisor.Supervision{}
}

// request asks for a code in a goroutine.
func (w *world) request(ctx context.Context, id session.ID) <-chan session.QRAnswer {
	answers := make(chan session.QRAnswer, 1)
	go func() { answers <- w.RequestQR(ctx, id) }()
	return answers
}

// sending sends a message in a goroutine.
func (w *world) sending(ctx context.Context, id session.ID, body string) <-chan error {
	done := make(chan error, 1)
	go func() {
		_, err := w.Send(ctx, id, message.Outgoing{ID: body, Content: message.TextOf(body)})
		done <- err
	}()
	return done
}

// answered returns an answer that must be there by now.
func answered[T any](t testing.TB, answers <-chan T) T {
	t.Helper()
	synctest.Wait()
	select {
	case answer := <-answers:
		return answer
	default:
		t.Fatal("not answered")
		panic("unreachable")
	}
}

func unansweredYet[T any](t testing.TB, answers <-chan T) {
	t.Helper()
	synctest.Wait()
	select {
	case answer := <-answers:
		t.Fatalf("answered already: %+v", answer)
	default:
	}
}

func wantOutcome(t testing.TB, answer session.QRAnswer, outcome session.QROutcome) {
	t.Helper()
	if answer.Outcome != outcome {
		t.Fatalf("outcome is %s in %s, %s; want %s", answer.Outcome, answer.State, answer.Cause, outcome)
	}
}

func wantCode(t testing.TB, err error, code session.Code) {
	t.Helper()
	if got := session.CodeOf(err); got != code {
		t.Fatalf("code is %q (%v), want %q", got, err, code)
	}
}

var errDatabase = &session.Error{Code: session.CodeStoreUnavailable, Err: errors.New("scripted")}

func names(n int) []session.ID {
	ids := make([]session.ID, n)
	for i := range ids {
		ids[i] = session.ID(fmt.Sprintf("s%03d", i))
	}
	return ids
}
