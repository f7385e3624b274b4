// Package pgtest runs a private PostgreSQL for tests: the machine's own binaries, a new cluster in a temporary directory
// on a free port of 127.0.0.1, fsync on, gone when the test process is gone, however it ends.
//
// Where the machine has no PostgreSQL, tests are skipped, or fail where testtools.Switch requires it. `make tools`
// installs it where it can.
package pgtest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"

	"wasup/internal/testtools"
)

// patience bounds what the server does when it starts and stops. It is for slow machines, never something measured.
const patience = 2 * time.Minute

// maxConnections is what the clusters accept: several test pools at once.
const maxConnections = 300

// Cluster is a private server.
type Cluster struct {
	bin, dir string
	port     int
	user     *owner // whom the server runs as, nil: us
	password string

	server *exec.Cmd      // the shell that watches over the server, nil while it is stopped
	leash  io.WriteCloser // its standard input: when it ends, so does the server
	count  atomic.Int64   // of databases
}

var shared struct {
	mu      sync.Mutex
	cluster *Cluster
	err     error
	free    []string // databases that a test is done with, empty again
}

// DSN gives the DSN of an empty database on the process's shared cluster, which the first call starts. The package's
// TestMain must call Stop. Where there is no PostgreSQL it ends the test: see testtools.Missing.
func DSN(tb testing.TB) string {
	tb.Helper()
	Needed(tb)
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if shared.cluster == nil && shared.err == nil {
		shared.cluster, shared.err = start()
	}
	if shared.err != nil {
		tb.Fatal(shared.err)
	}
	var dsn string
	if last := len(shared.free) - 1; last >= 0 {
		dsn, shared.free = shared.free[last], shared.free[:last]
	} else {
		dsn = shared.cluster.Database(tb)
	}
	tb.Cleanup(func() {
		// Emptying costs less than another database, of which each has its own copy of everything.
		if err := empty(dsn); err != nil {
			tb.Errorf("the database cannot be emptied: %v", err)
			return
		}
		shared.mu.Lock()
		defer shared.mu.Unlock()
		shared.free = append(shared.free, dsn)
	})
	return dsn
}

// empty makes a database what it was before the test, and ends what the test has left connected to it.
func empty(dsn string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	db, err := sql.Open("pgx", dsn)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	var name string
	if err := conn.QueryRowContext(ctx, "SELECT current_database()").Scan(&name); err != nil {
		return err
	}
	for _, statement := range []string{
		"SET default_transaction_read_only=off",
		"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname=current_database() AND pid<>pg_backend_pid()",
		"ALTER DATABASE " + name + " RESET ALL",
		"DROP SCHEMA public CASCADE",
		"CREATE SCHEMA public",
		"GRANT USAGE ON SCHEMA public TO PUBLIC", // as it is in a new database since PostgreSQL 15
	} {
		if _, err := conn.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("%s: %w", statement, err)
		}
	}
	return nil
}

// Stop ends the shared cluster, if there is one, and removes it.
func Stop() {
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if shared.cluster != nil {
		if err := shared.cluster.remove(); err != nil {
			_, _ = fmt.Fprintln(os.Stderr, "pgtest:", err)
		}
	}
	shared.cluster, shared.free, shared.err = nil, nil, errors.New("pgtest: the cluster was stopped already")
}

// New starts a cluster of the test's own, for tests that stop or freeze the server. It is removed when the test ends.
func New(tb testing.TB) *Cluster {
	tb.Helper()
	Needed(tb)
	c, err := start()
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := c.remove(); err != nil {
			tb.Error(err)
		}
	})
	return c
}

// Needed ends the test where the machine has no PostgreSQL: see testtools.Missing.
func Needed(tb testing.TB) {
	tb.Helper()
	if _, err := binaries(); err != nil {
		testtools.Missing(tb, err.Error())
	}
}

// binaries finds the newest PostgreSQL of the machine.
func binaries() (string, error) {
	var found []string
	for _, pattern := range []string{"/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql*/bin", "/usr/local/opt/postgresql*/bin"} {
		dirs, err := filepath.Glob(pattern)
		if err != nil {
			return "", err
		}
		found = append(found, dirs...)
	}
	if path, err := exec.LookPath("initdb"); err == nil {
		found = append(found, filepath.Dir(path))
	}
	found = slices.DeleteFunc(found, func(dir string) bool {
		_, noInit := os.Stat(filepath.Join(dir, "initdb"))
		_, noServer := os.Stat(filepath.Join(dir, "postgres"))
		return noInit != nil || noServer != nil
	})
	if len(found) == 0 {
		return "", errors.New("PostgreSQL (initdb and postgres in /usr/lib/postgresql/*/bin or on the PATH)")
	}
	newest := slices.MaxFunc(found, func(a, b string) int { return major(a) - major(b) })
	return newest, nil
}

func major(bin string) int {
	n, err := strconv.Atoi(filepath.Base(filepath.Dir(bin)))
	if err != nil {
		return 0
	}
	return n
}

func start() (_ *Cluster, err error) {
	c := &Cluster{password: "p@ss/wörd: " + strconv.Itoa(os.Getpid())} // awkward on purpose: a DSN must escape it
	if c.bin, err = binaries(); err != nil {
		return nil, err
	}
	if c.user, err = unprivileged(); err != nil {
		return nil, err
	}
	if c.dir, err = os.MkdirTemp("", "wasup-postgres-"); err != nil {
		return nil, err
	}
	if err := c.initialise(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(c.dir))
	}
	// Between finding a free port and taking it somebody else may take it.
	for range 5 {
		if c.port, err = freePort(); err != nil {
			break
		}
		if err = c.Start(); err == nil {
			return c, nil
		}
	}
	return nil, errors.Join(err, os.RemoveAll(c.dir))
}

func freePort() (int, error) {
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	return listener.Addr().(*net.TCPAddr).Port, listener.Close()
}

func (c *Cluster) data() string { return filepath.Join(c.dir, "data") }

func (c *Cluster) initialise() error {
	secret := filepath.Join(c.dir, "password")
	if err := os.WriteFile(secret, []byte(c.password+"\n"), 0o600); err != nil {
		return err
	}
	if err := c.user.own(c.dir, secret); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	// --no-sync is about the files that initdb makes; the server itself flushes as it would in production.
	initdb := exec.CommandContext(ctx, filepath.Join(c.bin, "initdb"), "--pgdata", c.data(), "--username", "wasup",
		"--pwfile", secret, "--auth", "scram-sha-256", "--encoding", "UTF8", "--no-locale", "--no-sync")
	initdb.Dir = c.dir
	initdb.SysProcAttr = c.user.attributes()
	if out, err := initdb.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, out)
	}
	return nil
}

// leashed starts the server and waits for the end of standard input, which comes when the test process ends in whatever
// way; then it stops the server and, unless told to keep it, removes the cluster. What is removed needs no orderly end,
// which would first write every database of the tests to the disk.
const leashed = `
"$1" -D "$2/data" -p "$3" -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c max_connections="$4" \
	-c shared_buffers=32MB -c log_min_messages=warning >>"$2/log" 2>&1 </dev/null &
server=$!
read -r word
how=QUIT
[ "$word" = keep ] && how=INT
kill -$how $server
kill -CONT $server
wait $server
[ "$word" = keep ] || rm -rf "$2"
`

// Start starts the server again after Shutdown.
func (c *Cluster) Start() error {
	// What an attempt before this one has written would count as this one's.
	if err := os.Remove(filepath.Join(c.dir, "log")); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	// No context: the leash ends it.
	server := exec.CommandContext(context.Background(), "sh", "-c", leashed, "pgtest",
		filepath.Join(c.bin, "postgres"), c.dir, strconv.Itoa(c.port), strconv.Itoa(maxConnections))
	server.Dir = c.dir
	server.SysProcAttr = c.user.attributes()
	server.Stderr = os.Stderr
	leash, err := server.StdinPipe()
	if err != nil {
		return err
	}
	if err := server.Start(); err != nil {
		return fmt.Errorf("start PostgreSQL: %w", err)
	}
	c.server, c.leash = server, leash
	if err := c.answers(); err != nil {
		log, _ := os.ReadFile(filepath.Join(c.dir, "log"))
		return errors.Join(fmt.Errorf("PostgreSQL does not start: %w\n%s", err, log), c.Shutdown())
	}
	return nil
}

// answers waits until the server takes connections, or has given up.
func (c *Cluster) answers() error {
	db, err := sql.Open("pgx", c.url("postgres"))
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	pause := time.NewTicker(20 * time.Millisecond)
	defer pause.Stop()
	for {
		// Somebody else who took the port may never answer.
		attempt, end := context.WithTimeout(ctx, 10*time.Second)
		err := db.PingContext(attempt)
		end()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-pause.C:
		}
		if log, readErr := os.ReadFile(filepath.Join(c.dir, "log")); readErr == nil && strings.Contains(string(log), "could not bind") {
			return errors.New("the port was taken by another process")
		}
	}
}

// Shutdown stops the server at once, as a restart would, and keeps its data. Connections break.
func (c *Cluster) Shutdown() error { return c.release("keep\n") }

func (c *Cluster) remove() error {
	if err := c.release("remove\n"); err != nil {
		return err
	}
	return os.RemoveAll(c.dir)
}

func (c *Cluster) release(word string) error {
	if c.server == nil {
		return nil
	}
	_, err := io.WriteString(c.leash, word)
	err = errors.Join(err, c.leash.Close())
	if waitErr := c.server.Wait(); waitErr != nil && c.server.ProcessState == nil {
		err = errors.Join(err, waitErr)
	}
	c.server, c.leash = nil, nil
	return err
}

// Database makes a new database and gives its DSN.
func (c *Cluster) Database(tb testing.TB) string {
	tb.Helper()
	name := fmt.Sprintf("wasup_%d", c.count.Add(1))
	// Autovacuum may be in template1, which then cannot be copied; nobody ever is in template0.
	c.Exec(tb, "CREATE DATABASE "+name+" TEMPLATE template0")
	return c.url(name)
}

// URL is the DSN of the database that the n-th call of Database made, from 1.
func (c *Cluster) URL(tb testing.TB, n int) string {
	tb.Helper()
	return c.url(fmt.Sprintf("wasup_%d", n))
}

// Exec runs a statement as the cluster's superuser, outside every database of a test.
func (c *Cluster) Exec(tb testing.TB, statement string) {
	tb.Helper()
	db, err := sql.Open("pgx", c.url("postgres"))
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if _, err := db.ExecContext(ctx, statement); err != nil {
		tb.Fatalf("%s: %v", statement, err)
	}
}

// Give makes files and folders the server's own.
func (c *Cluster) Give(tb testing.TB, paths ...string) {
	tb.Helper()
	if err := c.user.own(paths...); err != nil {
		tb.Fatal(err)
	}
}

// Password is the superuser's, for tests that look for it where it must not be.
func (c *Cluster) Password() string { return c.password }

// Port is the server's on 127.0.0.1.
func (c *Cluster) Port() int { return c.port }

func (c *Cluster) url(database string) string {
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword("wasup", c.password), Path: "/" + database,
		Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(c.port)), RawQuery: "sslmode=disable",
	}
	return u.String()
}
