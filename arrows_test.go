// Package wasup has no code, only tests of rules about the sources. The tests read
// the files themselves instead of calling `go list`: so Go's test cache notices
// that a file has changed.
package wasup

import (
	"flag"
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
)

//go:generate go test -count=1 -run ^TestContributingShowsTheMap$ . -update

const module = "wasup"

// A room is a folder with one purpose, and everything below it except other rooms.
// Its packages may import each other, and the rooms listed here (arrows). A package
// whose name ends in "test" is for tests: it may import what tests of its room may,
// and only tests may import it.
type room struct {
	owns    string   // its purpose, for the table in CONTRIBUTING.md
	imports []string // rooms that the product code may import
	tests   []string // further rooms that its tests may import
}

// rooms returns the map of rooms, by path. An import that is not on it fails, and so
// does an entry that no import uses.
func rooms() map[string]room {
	return map[string]room{
		"actors": {
			owns:    "the session actor: steps the machine, runs effects outside its mailbox; `ask.go`, requests to an actor",
			imports: []string{"internal/session"},
		},
		"supervisor": {
			owns:    "one actor per session, restart intensity, quarantine, paced boot, drain; the API that `httpapi` calls",
			imports: []string{"actors", "internal/message", "internal/pause", "internal/session"},
			tests:   []string{"internal/testtools", "internal/sandbox", "internal/store", "internal/whatsapp"},
		},
		"httpapi": {
			owns: "HTTP: listens, guards, mounts; each resource is a sub-package built with `httpapi/rest`",
			imports: []string{
				"httpapi/chats", "httpapi/compat", "httpapi/docs", "httpapi/events", "httpapi/linking", "httpapi/media", "httpapi/messages",
				"httpapi/rest", "httpapi/sessions", "httpapi/supervision", "httpapi/webhooks", "internal/accept", "internal/access",
				"internal/session",
			},
			tests: []string{"httpapi/qr", "httpapi/wire", "internal/events", "internal/message", "internal/store", "internal/testtools", "internal/webhooks"},
		},
		"httpapi/rest": {
			owns:    "the toolkit of resources: operations, calls, checks, problems, pages, the OpenAPI document",
			imports: []string{"httpapi/wire", "internal/session"},
		},
		"httpapi/wire": {owns: "JSON types of /v1 that several resources share", imports: []string{"internal/message", "internal/session"}},
		"httpapi/qr":   {owns: "pictures of pairing codes; each is drawn once"},
		"httpapi/compat": {
			owns:    "the routes of the Node session manager, with their JSON and errors; the health probes",
			imports: []string{"httpapi/rest", "internal/message", "internal/session"},
			tests:   []string{"httpapi"},
		},
		"httpapi/sessions": {
			owns:    "/v1: create, list, update, delete, start and stop sessions",
			imports: []string{"httpapi/rest", "httpapi/wire", "internal/session"},
			tests:   []string{"httpapi"},
		},
		"httpapi/linking": {
			owns:    "/v1: link a device by a QR, a pairing code or a passkey",
			imports: []string{"httpapi/qr", "httpapi/rest", "httpapi/wire", "internal/message", "internal/session"},
			tests:   []string{"httpapi"},
		},
		"httpapi/messages": {
			owns:    "/v1: send messages, upload files, read the status of messages",
			imports: []string{"httpapi/rest", "httpapi/wire", "internal/message", "internal/session"},
			tests:   []string{"httpapi"},
		},
		"httpapi/chats": {
			owns:    "/v1: read marks, presence, contacts",
			imports: []string{"httpapi/rest", "httpapi/wire", "internal/message", "internal/session"},
			tests:   []string{"httpapi"},
		},
		"httpapi/events": {
			owns:    "/v1: the event log as pages, streams and WebSockets; the JSON of state events",
			imports: []string{"httpapi/rest", "httpapi/wire", "internal/events", "internal/session"},
			tests:   []string{"httpapi", "httpapi/qr"},
		},
		"httpapi/media": {
			owns:    "/v1: the files of incoming messages",
			imports: []string{"httpapi/rest", "internal/message", "internal/session"},
			tests:   []string{"httpapi"},
		},
		"httpapi/webhooks": {
			owns:    "/v1: the registry of webhooks and their deliveries",
			imports: []string{"httpapi/rest", "httpapi/wire", "internal/events", "internal/session", "internal/webhooks"},
			tests:   []string{"httpapi"},
		},
		"httpapi/supervision": {
			owns:    "/v1: the supervision tree",
			imports: []string{"httpapi/rest", "httpapi/wire", "internal/session"},
			tests:   []string{"httpapi"},
		},
		"httpapi/docs": {
			owns:    "/v1: the OpenAPI document, the API page, the dashboard",
			imports: []string{"httpapi/rest"},
			tests:   []string{"httpapi", "internal/events"},
		},
		"metrics": {owns: "Prometheus collectors, no globals", imports: []string{"internal/events", "internal/message", "internal/session", "internal/webhooks"}},
		"configs": {owns: "every setting: its default, its sources, its validation"},
		"cmd": {
			owns: "the binary: one file per command, signals, exit codes",
			imports: []string{
				"configs", "internal/accept", "internal/app", "internal/gctuner", "internal/sandbox", "internal/session", "internal/soak",
			},
			tests: []string{"internal/events"},
		},
		"internal/app": {
			owns: "New, Start, Stop: connects all parts, and nothing else does; `apptest` runs a whole wasup in tests",
			imports: []string{
				"configs", "httpapi", "httpapi/events", "httpapi/media", "httpapi/qr", "httpapi/supervision", "metrics", "supervisor",
				"internal/accept", "internal/contacts", "internal/events", "internal/loglimit", "internal/media/incoming",
				"internal/media/outgoing", "internal/message", "internal/outbox", "internal/session", "internal/store", "internal/store/migrate",
				"internal/webhooks", "internal/whatsapp",
			},
			tests: []string{"internal/sandbox", "internal/testtools"},
		},
		"internal/soak": {
			owns:    "the test under load, kill -9 and broken networks that no message is lost or duplicated",
			imports: []string{"internal/accept", "internal/sandbox"},
		},
		"internal/session": {owns: "ids, states, causes, the machine (one table, a pure value), errors, the door to a client, ports"},
		"internal/message": {
			owns:    "what messages say: contents and their JSON, recipients, checks, states; the verbs about them",
			imports: []string{"internal/session"},
		},
		"internal/whatsapp": {
			owns:    "the adapter over whatsmeow: events, pairing, sending, receiving, devices",
			imports: []string{"internal/events", "internal/groupcommit", "internal/message", "internal/session", "internal/signalfix"},
			tests:   []string{"internal/sandbox", "internal/store", "internal/media/outgoing", "internal/gctuner", "internal/testtools"},
		},
		"internal/outbox": {
			owns:    "outgoing messages: durable, idempotent, in order for each session",
			imports: []string{"internal/events", "internal/message", "internal/pause", "internal/session"},
			tests:   []string{"internal/testtools", "internal/store"},
		},
		"internal/events": {
			owns:    "the events and their JSON, the durable log and its readers, the feed of states and codes, retention",
			imports: []string{"internal/message", "internal/pause", "internal/session"},
			tests:   []string{"internal/testtools", "internal/store"},
		},
		"internal/webhooks": {
			owns:    "the registry of webhooks and the delivery of events: in order, at least once",
			imports: []string{"internal/egress", "internal/events", "internal/session"},
			tests:   []string{"internal/testtools", "internal/store"},
		},
		"internal/media": {
			owns:    "shared code of files on disk: names, errors, writes that survive a power cut",
			imports: []string{"internal/session"},
		},
		"internal/media/outgoing": {
			owns:    "files of outgoing messages on disk, their types, and downloading them from URLs",
			imports: []string{"internal/egress", "internal/media", "internal/message", "internal/session"},
			tests:   []string{"internal/testtools"},
		},
		"internal/media/incoming": {
			owns:    "files of incoming messages: which are downloaded, when, and how long they are kept on disk",
			imports: []string{"internal/media", "internal/message", "internal/pause", "internal/session"},
			tests:   []string{"internal/testtools", "internal/events", "internal/store"},
		},
		"internal/contacts": {
			owns:    "which phone numbers have an account: caches answers and limits look-ups",
			imports: []string{"internal/message", "internal/session"},
		},
		"internal/store": {
			owns: "SQL on SQLite and PostgreSQL: schema, upgrades, locks, one file per table; `storetest` is the conformance suite",
			imports: []string{
				"internal/session", "internal/message", "internal/outbox", "internal/events", "internal/webhooks", "internal/media/incoming", "internal/groupcommit", "internal/pause",
				"internal/store/migrate",
			},
			tests: []string{"internal/testtools"},
		},
		"internal/store/migrate": {
			owns:    "copying a whole database into another one, SQLite or PostgreSQL",
			imports: []string{"internal/session"},
			tests:   []string{"internal/events", "internal/message", "internal/outbox", "internal/store", "internal/webhooks"},
		},
		"internal/sandbox": {
			owns:    "a WhatsApp server with virtual phones and faults, on the real wire protocol",
			imports: []string{"internal/accept", "internal/access", "internal/signalfix"},
			tests:   []string{"internal/testtools"},
		},
		"internal/accept": {
			owns: "accepting connections, also while descriptors or memory are short; how many a server may hold",
		},
		"internal/access": {
			owns: "whether a request may be answered: by its host, and by the page that sends it",
		},
		"internal/pause":       {owns: "a sleep that can be cancelled"},
		"internal/loglimit":    {owns: "a log handler that counts the lines that repeat instead of writing them"},
		"internal/groupcommit": {owns: "a queue whose entries one goroutine handles in batches"},
		"internal/signalfix":   {owns: "undoes changes that libsignal makes to Signal session states which failed to decrypt"},
		"internal/egress":      {owns: "restricts connections to addresses that others have chosen"},
		"internal/gctuner":     {owns: "the amount of garbage at which the garbage collector runs"},
		"internal/testtools":   {owns: "skips or fails a test whose tool is missing"},
		// The root has no product code. Its tests compare rooms with each other.
		".": {tests: []string{"configs"}},
	}
}

// everyone as an owner means that every room may import the dependency.
const everyone = "*"

// owners are the rooms that may import a dependency. Rooms below them may, too.
type owners struct {
	product []string
	tests   []string
}

// dependencies lists every third-party module and its owners. For an import the
// longest matching path counts. A module that is not listed fails: a new dependency
// is a deliberate decision.
func dependencies() map[string]owners {
	const store, whatsapp, sandbox = "internal/store", "internal/whatsapp", "internal/sandbox"
	fiber := owners{product: []string{"httpapi"}}
	testOnly := owners{tests: []string{everyone}}
	return map[string]owners{
		"modernc.org/sqlite":    {product: []string{store}, tests: []string{sandbox, "internal/app"}},
		"github.com/jackc/pgx":  {product: []string{store}},
		"go.mau.fi/util/dbutil": {product: []string{store, whatsapp}, tests: []string{"internal/app"}},          // whatsapp passes it to whatsmeow's sqlstore
		"database/sql":          {product: []string{store, whatsapp}, tests: []string{sandbox, "internal/app"}}, // whatsapp distinguishes a failing database from a missing device
		"go.mau.fi/whatsmeow":   {product: []string{whatsapp}, tests: []string{sandbox, "supervisor", "internal/app", "."}},
		"go.mau.fi/libsignal":   {product: []string{sandbox, whatsapp, "internal/signalfix"}},

		"go.mau.fi/whatsmeow/binary": {product: []string{whatsapp, sandbox}, tests: []string{"internal/app"}},
		"go.mau.fi/whatsmeow/proto":  {product: []string{whatsapp, sandbox}, tests: []string{"internal/app"}},
		"go.mau.fi/whatsmeow/types":  {product: []string{whatsapp, sandbox}, tests: []string{"supervisor", "internal/app"}},
		"go.mau.fi/whatsmeow/util":   {product: []string{whatsapp, sandbox}},
		"go.mau.fi/whatsmeow/socket": {product: []string{whatsapp}, tests: []string{sandbox, "."}},
		"google.golang.org/protobuf": {product: []string{whatsapp, sandbox}, tests: []string{"internal/app"}},

		"github.com/asynkron/protoactor-go":            {product: []string{"actors", "supervisor"}},
		"github.com/gofiber/fiber":                     fiber,
		"github.com/valyala/fasthttp":                  fiber,
		"github.com/danielgtaylor/huma":                {product: []string{"httpapi"}}, // schemas and OpenAPI, not its routers
		"github.com/coder/websocket":                   {product: []string{sandbox, "httpapi/events"}},
		"github.com/prometheus/client_golang":          {product: []string{"metrics"}},
		"github.com/spf13/cobra":                       {product: []string{"cmd"}},
		"go.yaml.in/yaml":                              {product: []string{"configs", sandbox}},
		"github.com/skip2/go-qrcode":                   {product: []string{"httpapi/qr"}, tests: []string{sandbox}}, // draws QR codes
		"github.com/makiuchi-d/gozxing":                {product: []string{sandbox, "httpapi/qr"}, tests: []string{"internal/app"}},
		"github.com/makiuchi-d/gozxing/qrcode/encoder": {tests: []string{"httpapi/qr"}}, // an independent encoder
		"golang.org/x/net":                             {product: []string{whatsapp}},   // SOCKS5
		"golang.org/x/sync":                            {product: []string{everyone}},
		"golang.org/x/image":                           {product: []string{"internal/media/outgoing"}}, // pictures, for thumbnails
		"github.com/hashicorp/golang-lru":              {product: []string{whatsapp, "internal/contacts", "httpapi/qr"}},
		"golang.org/x/time":                            {product: []string{"internal/contacts"}}, // rate limits
		"github.com/gabriel-vasile/mimetype":           {product: []string{"internal/media/outgoing", whatsapp}},
		"github.com/chromedp/chromedp":                 {tests: []string{"internal/app", "cmd"}}, // drives the browser that tests the virtual phones
		"github.com/chromedp/cdproto":                  {tests: []string{"internal/app"}},
		"github.com/standard-webhooks":                 {product: []string{"internal/webhooks"}, tests: []string{"internal/app"}},
		"code.dny.dev/ssrf":                            {product: []string{"internal/egress"}}, // which networks are private or special
		"go.uber.org/goleak":                           testOnly,
		"pgregory.net/rapid":                           testOnly,
	}
}

// source is one Go file and its imports.
type source struct {
	file    string
	room    string // "" if the file is in none
	test    bool
	imports []string
}

// sources parses the imports of every Go file, with any build tags.
func sources(tree fs.FS) ([]source, error) {
	var all []source
	err := fs.WalkDir(tree, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			skip := []string{"tools", "bin", "data", "testdata", "node_modules"}
			if name != "." && (strings.HasPrefix(entry.Name(), ".") || slices.Contains(skip, entry.Name())) {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		text, err := fs.ReadFile(tree, name)
		if err != nil {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, text, parser.ImportsOnly)
		if err != nil {
			return err
		}
		s := source{file: name, room: roomOf(path.Dir(name)), test: strings.HasSuffix(name, "_test.go") || forTests(path.Dir(name))}
		for _, spec := range file.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			s.imports = append(s.imports, imported)
		}
		all = append(all, s)
		return nil
	})
	return all, err
}

// roomOf returns the room of a folder: the nearest one on the map at or above it.
// The root is a room of its own, and no folder below it belongs to it.
func roomOf(folder string) string {
	if folder == "." {
		return "."
	}
	return nearest(folder, rooms())
}

// nearest returns the longest key that is the path or one of its parents; "" for none.
func nearest[V any](p string, known map[string]V) string {
	for ; p != "." && p != "/"; p = path.Dir(p) {
		if _, listed := known[p]; listed {
			return p
		}
	}
	return ""
}

// forTests reports whether a package is for tests, such as internal/store/pgtest.
func forTests(pkg string) bool {
	return strings.HasSuffix(path.Base(pkg), "test")
}

// ours returns the folder of an imported package of this module. ok is false for
// other packages.
func ours(imported string) (folder string, ok bool) {
	if imported == module {
		return ".", true
	}
	return strings.CutPrefix(imported, module+"/")
}

// broken lists the forbidden imports of each file.
func broken(all []source) []string {
	var found []string
	for _, s := range all {
		if s.room == "" {
			found = append(found, fmt.Sprintf("%s: %q is in no room of arrows_test.go", s.file, path.Dir(s.file)))
			continue
		}
		for _, imported := range s.imports {
			if problem := s.refuses(imported); problem != "" {
				found = append(found, s.file+": "+problem)
			}
		}
	}
	return found
}

func (s source) refuses(imported string) string {
	if folder, ok := ours(imported); ok {
		from, to := rooms()[s.room], roomOf(folder)
		switch {
		case forTests(folder) && !s.test:
			return imported + " is for tests"
		case to == s.room, slices.Contains(from.imports, to), s.test && slices.Contains(from.tests, to):
			return ""
		}
		return fmt.Sprintf("%s may not import %s", s.room, imported)
	}
	heavy := nearest(imported, dependencies())
	if heavy == "" {
		if strings.Contains(strings.Split(imported, "/")[0], ".") {
			return imported + " has no owner in arrows_test.go"
		}
		return "" // the standard library
	}
	owner := dependencies()[heavy]
	if owner.has(s.room, s.test) {
		return ""
	}
	of := "belongs to " + strings.Join(owner.product, " and ")
	if len(owner.product) == 0 {
		of = "is for tests"
	}
	return fmt.Sprintf("%s may not import %s, which %s", s.room, imported, of)
}

func (o owners) has(room string, test bool) bool {
	may := o.product
	if test {
		may = slices.Concat(may, o.tests)
	}
	return slices.ContainsFunc(may, func(owner string) bool {
		return owner == everyone || room == owner || strings.HasPrefix(room, owner+"/")
	})
}

// unused lists the rooms, arrows and owners on the map that no file needs: the map
// must not allow more than that.
func unused(all []source) []string {
	type use struct {
		room, of string
		test     bool
	}
	used, lived := map[use]bool{}, map[string]bool{}
	for _, s := range all {
		lived[s.room] = true
		for _, imported := range s.imports {
			if folder, ok := ours(imported); ok {
				used[use{s.room, roomOf(folder), s.test}] = true
			} else if heavy := nearest(imported, dependencies()); heavy != "" {
				for room := s.room; room != "." && room != "/"; room = path.Dir(room) {
					used[use{room, heavy, s.test}] = true
				}
				used[use{s.room, heavy, s.test}] = true
				used[use{everyone, heavy, s.test}] = true
			}
		}
	}
	var found []string
	check := func(what string, product, tests []string, is func(entry string, test bool) use) {
		for _, entry := range product {
			if !used[is(entry, false)] {
				found = append(found, fmt.Sprintf(what, entry)+": the product does not need it")
			}
		}
		for _, entry := range tests {
			switch {
			case entry != everyone && slices.Contains(product, entry):
				found = append(found, fmt.Sprintf(what, entry)+": listed twice")
			case !used[is(entry, true)]:
				found = append(found, fmt.Sprintf(what, entry)+": no test needs it")
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(rooms())) {
		if !lived[name] {
			found = append(found, name+": a room without code")
		}
		r := rooms()[name]
		check(name+" -> %s", r.imports, r.tests, func(to string, test bool) use { return use{name, to, test} })
	}
	for _, heavy := range slices.Sorted(maps.Keys(dependencies())) {
		o := dependencies()[heavy]
		check("%s -> "+heavy, o.product, o.tests, func(room string, test bool) use { return use{room, heavy, test} })
	}
	return found
}

// table renders the map for CONTRIBUTING.md: first the rooms outside internal, then
// those in it, sorted by path.
func table() string {
	names := slices.Sorted(maps.Keys(rooms()))
	slices.SortStableFunc(names, func(a, b string) int { return strings.Count(a, "internal/") - strings.Count(b, "internal/") })
	var b strings.Builder
	b.WriteString("| Room | Owns | May import |\n| --- | --- | --- |\n")
	for _, name := range names {
		r := rooms()[name]
		if name == "." {
			continue
		}
		may := "nothing of ours"
		if len(r.imports) > 0 {
			may = "`" + strings.Join(slices.Sorted(slices.Values(r.imports)), "`, `") + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", name, r.owns, may)
	}
	return b.String()
}

func TestEveryArrowBetweenRoomsIsOnTheMap(t *testing.T) {
	all, err := sources(os.DirFS("."))
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 10 {
		t.Fatalf("only %d sources found; is this the root of the repository?", len(all))
	}
	for _, problem := range slices.Concat(broken(all), unused(all)) {
		t.Error(problem)
	}
}

var update = flag.Bool("update", false, "write the generated table to CONTRIBUTING.md")

func TestContributingShowsTheMap(t *testing.T) {
	const file, begin, end = "CONTRIBUTING.md", "<!-- rooms: generated from arrows_test.go by `go generate .` -->\n", "<!-- rooms end -->\n"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(text), begin)
	_, after, ended := strings.Cut(rest, end)
	if !found || !ended {
		t.Fatalf("%s has no place for the table: expected it between %q and %q", file, begin, end)
	}
	want := before + begin + "\n" + table() + "\n" + end + after
	switch {
	case want == string(text):
	case !*update:
		t.Fatalf("%s does not show the map of arrows_test.go: run `go generate .`", file)
	default:
		if err := os.WriteFile(file, []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestTheMapHasNoArrowThatNobodyUses(t *testing.T) {
	lone := source{file: "actors/a.go", room: "actors", imports: []string{"github.com/asynkron/protoactor-go/actor"}}
	found := unused([]source{lone})
	for _, want := range []string{
		"actors -> internal/session: the product does not need it",
		"supervisor -> internal/store: no test needs it",
		"supervisor: a room without code",
		"supervisor -> github.com/asynkron/protoactor-go: the product does not need it",
	} {
		if !slices.Contains(found, want) {
			t.Errorf("not found: %s", want)
		}
	}
	if slices.Contains(found, "actors -> github.com/asynkron/protoactor-go: the product does not need it") || slices.Contains(found, "actors: a room without code") {
		t.Error("found what is used")
	}
}

func TestTheMapRefusesWhatItShould(t *testing.T) {
	file := func(imports ...string) *fstest.MapFile {
		text := "package p\n"
		for _, i := range imports {
			text += "import _ " + strconv.Quote(i) + "\n"
		}
		return &fstest.MapFile{Data: []byte(text)}
	}
	tests := map[string]struct {
		file    string
		imports []string
		want    string
	}{
		"session uses the standard library":   {"internal/session/a.go", []string{"time", "wasup/internal/session"}, ""},
		"session uses nothing else":           {"internal/session/a.go", []string{"golang.org/x/text/width"}, "internal/session/a.go: golang.org/x/text/width has no owner in arrows_test.go"},
		"session tests have their tools":      {"internal/session/a_test.go", []string{"pgregory.net/rapid", "go.uber.org/goleak"}, ""},
		"tools of tests stay in tests":        {"actors/a.go", []string{"pgregory.net/rapid"}, "actors/a.go: actors may not import pgregory.net/rapid, which is for tests"},
		"actors know no store":                {"actors/a.go", []string{"wasup/internal/store"}, "actors/a.go: actors may not import wasup/internal/store"},
		"actors know no metrics, nor tests":   {"actors/a_test.go", []string{"wasup/metrics"}, "actors/a_test.go: actors may not import wasup/metrics"},
		"httpapi knows no actors":             {"httpapi/a.go", []string{"wasup/actors"}, "httpapi/a.go: httpapi may not import wasup/actors"},
		"httpapi knows no protoactor":         {"httpapi/a.go", []string{"github.com/asynkron/protoactor-go/actor"}, "httpapi/a.go: httpapi may not import github.com/asynkron/protoactor-go/actor, which belongs to actors and supervisor"},
		"httpapi owns Fiber":                  {"httpapi/v1/a.go", []string{"github.com/gofiber/fiber/v2/middleware/recover"}, ""},
		"cmd has no Fiber":                    {"cmd/wasup/a.go", []string{"github.com/gofiber/fiber/v2"}, "cmd/wasup/a.go: cmd may not import github.com/gofiber/fiber/v2, which belongs to httpapi"},
		"cmd has commands":                    {"cmd/wasup/a.go", []string{"wasup/configs", "wasup/internal/app", "wasup/internal/sandbox/admin"}, ""},
		"cmd wires nothing":                   {"cmd/wasup/a.go", []string{"wasup/supervisor"}, "cmd/wasup/a.go: cmd may not import wasup/supervisor"},
		"app wires":                           {"internal/app/a.go", []string{"wasup/configs", "wasup/supervisor", "wasup/internal/whatsapp"}, ""},
		"app is not for the others":           {"supervisor/a.go", []string{"wasup/internal/app"}, "supervisor/a.go: supervisor may not import wasup/internal/app"},
		"nobody imports cmd":                  {"supervisor/a_test.go", []string{"wasup/cmd/wasup"}, "supervisor/a_test.go: supervisor may not import wasup/cmd/wasup"},
		"not even the root":                   {"a_test.go", []string{"wasup/cmd/wasup"}, "a_test.go: . may not import wasup/cmd/wasup"},
		"only cmd and app read configs":       {"metrics/a.go", []string{"wasup/configs"}, "metrics/a.go: metrics may not import wasup/configs"},
		"the sandbox is not the adapter":      {"internal/sandbox/a.go", []string{"wasup/internal/whatsapp"}, "internal/sandbox/a.go: internal/sandbox may not import wasup/internal/whatsapp"},
		"the sandbox speaks the protocol":     {"internal/sandbox/wire/a.go", []string{"go.mau.fi/whatsmeow/binary", "go.mau.fi/whatsmeow/proto/waE2E", "wasup/internal/sandbox"}, ""},
		"the sandbox is no client":            {"internal/sandbox/a.go", []string{"go.mau.fi/whatsmeow"}, "internal/sandbox/a.go: internal/sandbox may not import go.mau.fi/whatsmeow, which belongs to internal/whatsapp"},
		"the sandbox is tested with a client": {"internal/sandbox/a_test.go", []string{"go.mau.fi/whatsmeow", "go.mau.fi/whatsmeow/store/sqlstore"}, ""},
		"sqlstore is the adapter's":           {"internal/store/a.go", []string{"go.mau.fi/whatsmeow/store/sqlstore"}, "internal/store/a.go: internal/store may not import go.mau.fi/whatsmeow/store/sqlstore, which belongs to internal/whatsapp"},
		"SQL is the store's":                  {"internal/outbox/a.go", []string{"database/sql/driver"}, "internal/outbox/a.go: internal/outbox may not import database/sql/driver, which belongs to internal/store and internal/whatsapp"},
		"the adapter hands a database on":     {"internal/whatsapp/a.go", []string{"go.mau.fi/util/dbutil"}, ""},
		"the adapter has no driver":           {"internal/whatsapp/a.go", []string{"database/sql", "modernc.org/sqlite"}, "internal/whatsapp/a.go: internal/whatsapp may not import modernc.org/sqlite, which belongs to internal/store"},
		"a room within a folder is its own":   {"internal/media/outgoing/a.go", []string{"wasup/internal/media/incoming"}, "internal/media/outgoing/a.go: internal/media/outgoing may not import wasup/internal/media/incoming"},
		"a test package is for tests":         {"internal/store/a.go", []string{"wasup/internal/store/pgtest"}, "internal/store/a.go: wasup/internal/store/pgtest is for tests"},
		"and may what they may":               {"internal/sandbox/devicetest/a.go", []string{"go.mau.fi/whatsmeow/store/sqlstore", "modernc.org/sqlite"}, ""},
		"an unlisted room":                    {"util/a.go", nil, `util/a.go: "util" is in no room of arrows_test.go`},
		"an unlisted room below internal":     {"internal/util/a.go", nil, `internal/util/a.go: "internal/util" is in no room of arrows_test.go`},
		"code at the root":                    {"a.go", []string{"wasup/internal/session"}, "a.go: . may not import wasup/internal/session"},
		"a build tag hides nothing":           {"internal/session/a_windows.go", []string{"wasup/internal/store"}, "internal/session/a_windows.go: internal/session may not import wasup/internal/store"},
		"test data is not ours":               {"internal/session/testdata/a.go", []string{"wasup/internal/store"}, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			all, err := sources(fstest.MapFS{test.file: file(test.imports...)})
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(broken(all), "\n"); got != test.want {
				t.Fatalf("got  %q\nwant %q", got, test.want)
			}
		})
	}
}

// missingPlaces counts the places in the form `file.go:function` that a text names, and lists those that are not in the
// tree.
func missingPlaces(tree fs.FS, text string) (named int, missing []string) {
	for _, m := range regexp.MustCompile("`([a-z_/]+\\.go):([A-Za-z]+)`").FindAllStringSubmatch(text, -1) {
		named++
		source, err := fs.ReadFile(tree, m[1])
		if err != nil || !regexp.MustCompile(`(?m)^func (\([^)]*\) )?`+m[2]+`[(\[]`).Match(source) {
			missing = append(missing, m[0])
		}
	}
	return named, missing
}

func TestThePathsInTheArchitectureExist(t *testing.T) {
	text, err := os.ReadFile("docs/architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	named, missing := missingPlaces(os.DirFS("."), string(text))
	if named < 20 {
		t.Errorf("only %d places are named", named)
	}
	for _, place := range missing {
		t.Errorf("docs/architecture.md names %s, which does not exist", place)
	}
	tree := fstest.MapFS{"a/a.go": {Data: []byte("package a\n\nfunc (t *T) found() {}\nfunc Ask[A any]() {}\n")}}
	if _, missing := missingPlaces(tree, "`a/a.go:found` `a/a.go:Ask` `a/a.go:lost` `b/b.go:found`"); len(missing) != 2 {
		t.Errorf("missing: %v", missing)
	}
}

// missingTests counts the tests that a table names, in the form `folder: TestOne, TestTwo; folder: …`, and lists those
// that are not in a test file of their folder.
func missingTests(tree fs.FS, text string) (named int, missing []string) {
	for _, group := range regexp.MustCompile("([a-z][a-z/]*): (`(?:Test|Benchmark|Fuzz)[^;|]*)").FindAllStringSubmatch(text, -1) {
		var tests strings.Builder
		files, _ := fs.Glob(tree, group[1]+"/*.go") // the suite of the store is in files without _test
		for _, name := range files {
			content, _ := fs.ReadFile(tree, name)
			tests.Write(content)
		}
		for _, m := range regexp.MustCompile("`((?:Test|Benchmark|Fuzz)[A-Za-z0-9]+)`").FindAllStringSubmatch(group[2], -1) {
			named++
			if !strings.Contains(tests.String(), "func "+m[1]+"(") {
				missing = append(missing, group[1]+": "+m[1])
			}
		}
	}
	return named, missing
}

func TestTheTestsInTheTableOfReliabilityExist(t *testing.T) {
	text, err := os.ReadFile("docs/reliability.md")
	if err != nil {
		t.Fatal(err)
	}
	named, missing := missingTests(os.DirFS("."), string(text))
	if all := len(regexp.MustCompile("`(?:Test|Benchmark|Fuzz)").FindAllString(string(text), -1)); named != all {
		t.Errorf("%d of %d tests are named with their folder", named, all)
	}
	for _, test := range missing {
		t.Errorf("docs/reliability.md names %s, which does not exist", test)
	}
	tree := fstest.MapFS{"a/a_test.go": {Data: []byte("package a\n\nfunc TestFound(t *testing.T) {}\n")}}
	if named, missing := missingTests(tree, "| a: `TestFound`, `TestLost`; b/c: `FuzzLost` |"); named != 3 || len(missing) != 2 {
		t.Errorf("%d named, missing: %v", named, missing)
	}
}
