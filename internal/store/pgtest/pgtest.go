// Package pgtest runs a private PostgreSQL server for tests. It uses the machine's own binaries and makes a new cluster
// in a temporary directory, on a free port of 127.0.0.1, with fsync on. Server and directory are removed when the test
// process ends, also after kill -9.
//
// If the machine has no PostgreSQL, the tests are skipped, or fail if testtools.Switch requires it. `make tools`
// installs it if it can.
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

// patience is the time limit for starting and stopping the server. It is long, for slow machines; no test measures it.
const patience = 2 * time.Minute

// maxConnections is the number of connections that a cluster accepts: several tests have pools at the same time.
const maxConnections = 300

// Cluster is a private server.
type Cluster struct {
	bin, dir string
	port     int
	user     *owner // the user that the server runs as; nil: the user of the tests
	password string

	server *exec.Cmd      // the shell that runs the server; nil while it is stopped
	stdin  io.WriteCloser // standard input of the shell, which stops the server when its input ends
	count  atomic.Int64   // number of databases
}

var shared struct {
	mu      sync.Mutex
	cluster *Cluster
	err     error
	free    []string // DSNs of databases that no test uses any more; they are empty again
}

// DSN returns the DSN of an empty database on the shared cluster of the test process. The first call starts the
// cluster. The package's TestMain must call Stop. If the machine has no PostgreSQL, DSN ends the test: see
// testtools.Missing.
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
		// To empty a database is cheaper than to make another, which copies the whole template.
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

// empty restores a database to its state before the test and ends the connections that the test left open.
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

// Stop stops and removes the shared cluster, if there is one.
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

// New starts a cluster for one test, which may stop or freeze the server. It is removed when the test ends.
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

// Needed ends the test if the machine has no PostgreSQL: see testtools.Missing.
func Needed(tb testing.TB) {
	tb.Helper()
	if _, err := binaries(); err != nil {
		testtools.Missing(tb, err.Error())
	}
}

// binaries returns the directory with the newest PostgreSQL of the machine.
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
	c := &Cluster{password: "p@ss/wörd: " + strconv.Itoa(os.Getpid())} // hard on purpose: a DSN must escape it
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
	// Another process may take the port before the server does.
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
	// --no-sync concerns only the files that initdb makes. The server flushes as in production.
	initdb := exec.CommandContext(ctx, filepath.Join(c.bin, "initdb"), "--pgdata", c.data(), "--username", "wasup",
		"--pwfile", secret, "--auth", "scram-sha-256", "--encoding", "UTF8", "--no-locale", "--no-sync")
	initdb.Dir = c.dir
	initdb.SysProcAttr = c.user.attributes()
	if out, err := initdb.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, out)
	}
	return nil
}

// serverScript is the shell script that runs the server. It waits for a line or the end of its standard input, which
// ends with the test process, also after kill -9. Then it stops the server and, unless the line is "keep", removes the
// cluster. Before a removal it stops the server without a checkpoint (QUIT), which would write all test databases to
// the disk.
const serverScript = `
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
	// Remove the log of an earlier attempt: waitReady reads the log.
	if err := os.Remove(filepath.Join(c.dir, "log")); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	// No context ends the server; the end of stdin does.
	server := exec.CommandContext(context.Background(), "sh", "-c", serverScript, "pgtest",
		filepath.Join(c.bin, "postgres"), c.dir, strconv.Itoa(c.port), strconv.Itoa(maxConnections))
	server.Dir = c.dir
	server.SysProcAttr = c.user.attributes()
	server.Stderr = os.Stderr
	stdin, err := server.StdinPipe()
	if err != nil {
		return err
	}
	if err := server.Start(); err != nil {
		return fmt.Errorf("start PostgreSQL: %w", err)
	}
	c.server, c.stdin = server, stdin
	if err := c.waitReady(); err != nil {
		log, _ := os.ReadFile(filepath.Join(c.dir, "log"))
		return errors.Join(fmt.Errorf("PostgreSQL does not start: %w\n%s", err, log), c.Shutdown())
	}
	return nil
}

// waitReady waits until the server accepts connections. It returns an error if the port is taken or patience is over.
func (c *Cluster) waitReady() error {
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
		// Limit one attempt: another process that took the port may never answer.
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

// Shutdown stops the server as a restart does and keeps its data. Connections break.
func (c *Cluster) Shutdown() error { return c.stop("keep\n") }

func (c *Cluster) remove() error {
	if err := c.stop("remove\n"); err != nil {
		return err
	}
	return os.RemoveAll(c.dir)
}

func (c *Cluster) stop(word string) error {
	if c.server == nil {
		return nil
	}
	_, err := io.WriteString(c.stdin, word)
	err = errors.Join(err, c.stdin.Close())
	if waitErr := c.server.Wait(); waitErr != nil && c.server.ProcessState == nil {
		err = errors.Join(err, waitErr)
	}
	c.server, c.stdin = nil, nil
	return err
}

// Database makes a new database and returns its DSN.
func (c *Cluster) Database(tb testing.TB) string {
	tb.Helper()
	name := fmt.Sprintf("wasup_%d", c.count.Add(1))
	// Use template0: autovacuum may be connected to template1, which then cannot be copied.
	c.Exec(tb, "CREATE DATABASE "+name+" TEMPLATE template0")
	return c.url(name)
}

// URL returns the DSN of the database that the n-th call of Database made, counted from 1.
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

// Give gives files and folders to the user that the server runs as.
func (c *Cluster) Give(tb testing.TB, paths ...string) {
	tb.Helper()
	if err := c.user.own(paths...); err != nil {
		tb.Fatal(err)
	}
}

// Password returns the superuser's password, for tests that check that it does not leak.
func (c *Cluster) Password() string { return c.password }

// Port returns the server's port on 127.0.0.1.
func (c *Cluster) Port() int { return c.port }

func (c *Cluster) url(database string) string {
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword("wasup", c.password), Path: "/" + database,
		Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(c.port)), RawQuery: "sslmode=disable",
	}
	return u.String()
}
