// Package wasup holds no code: only the rules of the house, as tests over the
// sources. They read the files themselves, because the answer of `go list`
// would come from the test cache after somebody drew a new arrow.
package wasup

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
)

const module = "wasup"

// A room is a top-level folder with everything below it. Its packages may
// import each other, and the rooms listed here. A package whose name ends in
// "test" is there for tests: it may what they may, and only they import it.
type room struct {
	imports []string // what the product may import
	tests   []string // what its tests may import beside that
}

// everything is cmd's privilege: it wires the others together.
const everything = "*"

func rooms() map[string]room {
	return map[string]room{
		"session":    {},
		"actors":     {imports: []string{"session"}},
		"supervisor": {imports: []string{"actors", "session"}, tests: []string{"sandbox", "store", "whatsapp"}},
		"mend":       {}, // what whatsapp and sandbox both need of Signal
		"batch":      {}, // what store and whatsapp both do with those who wait
		"whatsapp":   {imports: []string{"session", "mend", "batch"}, tests: []string{"sandbox", "store", "media", "events", "memory"}},
		"sandbox":    {imports: []string{"session", "mend"}, tests: []string{"toolbox"}},
		"outbox":     {imports: []string{"session"}, tests: []string{"store"}},
		"media":      {imports: []string{"session", "reach"}, tests: []string{"toolbox"}},
		"reach":      {}, // which addresses strangers may lead to
		"contacts":   {imports: []string{"session"}},
		"events":     {imports: []string{"session"}, tests: []string{"store", "media"}},
		"webhooks":   {imports: []string{"session", "reach"}, tests: []string{"events", "store"}},
		"store":      {imports: []string{"session", "outbox", "events", "webhooks", "batch"}, tests: []string{"toolbox"}},
		"httpapi":    {imports: []string{"session"}, tests: []string{"events", "store", "webhooks"}},
		"metrics":    {imports: []string{"session"}},
		"configs":    {},
		"memory":     {},
		"toolbox":    {}, // what becomes of a test whose tool is missing
		"cmd":        {imports: []string{everything}},
		// The root has no product code; its tests hold rooms against each other.
		".": {tests: []string{everything}},
	}
}

// An owner is the room, or a part of it, that may import a dependency.
type owners struct {
	product []string
	tests   []string
}

// dependencies lists every third-party module and its owners, longest path
// first where one is within another. A module that is not listed fails: a new
// dependency is a decision.
func dependencies() map[string]owners {
	sql := owners{product: []string{"store"}, tests: []string{"whatsapp", "sandbox", "supervisor", "outbox", "events", "cmd"}}
	sqlTypes := owners{product: []string{"store", "whatsapp"}, tests: []string{"sandbox", "supervisor", "cmd"}}
	sqlErrors := owners{product: []string{"store", "whatsapp"}, tests: sql.tests}
	protocol := owners{product: []string{"whatsapp", "sandbox"}, tests: []string{"supervisor", "cmd", "."}}
	library := owners{product: []string{"whatsapp"}, tests: []string{"sandbox", "supervisor", "cmd", "."}}
	fiber := owners{product: []string{"httpapi"}}
	testOnly := owners{tests: []string{everything}}
	return map[string]owners{
		"modernc.org/sqlite":    sql,
		"github.com/jackc/pgx":  sql,
		"go.mau.fi/util/dbutil": sqlTypes,  // whatsapp hands it on to whatsmeow's sqlstore,
		"database/sql":          sqlErrors, // and must tell a failing database from a missing device
		"go.mau.fi/util":        {product: []string{"whatsapp", "store"}},
		"github.com/rs/zerolog": {product: []string{"store", "whatsapp"}}, // dbutil logs through it
		"go.mau.fi/whatsmeow":   library,
		"go.mau.fi/libsignal":   {product: []string{"sandbox", "whatsapp", "mend"}},

		"go.mau.fi/whatsmeow/binary": protocol,
		"go.mau.fi/whatsmeow/proto":  protocol,
		"go.mau.fi/whatsmeow/types":  protocol,
		"go.mau.fi/whatsmeow/util":   protocol,
		"go.mau.fi/whatsmeow/socket": protocol,
		"google.golang.org/protobuf": protocol,

		"github.com/asynkron/protoactor-go":   {product: []string{"actors", "supervisor"}},
		"github.com/gofiber/fiber":            fiber,
		"github.com/valyala/fasthttp":         fiber,
		"github.com/danielgtaylor/huma":       {product: []string{"httpapi"}}, // schemas and OpenAPI; its routers stay out
		"github.com/coder/websocket":          {product: []string{"sandbox", "httpapi"}, tests: []string{"cmd"}},
		"github.com/prometheus/client_golang": {product: []string{"metrics"}},
		"github.com/prometheus/client_model":  {product: []string{"metrics"}},
		"github.com/spf13/cobra":              {product: []string{"cmd"}},
		"github.com/spf13/pflag":              {product: []string{"cmd"}},
		"go.yaml.in/yaml":                     {product: []string{"configs", "sandbox"}, tests: []string{"httpapi", "cmd", "."}},
		"github.com/skip2/go-qrcode":          {tests: []string{"sandbox", "httpapi"}}, // an encoder that is not ours
		"github.com/makiuchi-d/gozxing":       {product: []string{"sandbox", "httpapi"}, tests: []string{"cmd"}},
		"golang.org/x/crypto":                 {product: []string{"sandbox", "httpapi", "store"}, tests: []string{"whatsapp"}},
		"golang.org/x/net":                    {product: []string{"whatsapp"}}, // SOCKS5
		"golang.org/x/sync":                   {product: []string{everything}, tests: []string{everything}},
		"golang.org/x/image":                  {product: []string{"media"}}, // pictures, for thumbnails
		"github.com/hashicorp/golang-lru":     {product: []string{"whatsapp", "contacts"}},
		"golang.org/x/time":                   {product: []string{"contacts"}}, // rates
		"github.com/gabriel-vasile/mimetype":  {product: []string{"media", "whatsapp"}},
		"github.com/chromedp/chromedp":        {tests: []string{"cmd"}}, // drives the browser that tests the virtual phones
		"github.com/chromedp/cdproto":         {tests: []string{"cmd"}},
		"github.com/standard-webhooks":        {product: []string{"webhooks"}, tests: []string{"cmd"}},
		"code.dny.dev/ssrf":                   {product: []string{"reach"}}, // which networks are private or special
		"go.uber.org/goleak":                  testOnly,
		"pgregory.net/rapid":                  testOnly,
	}
}

// source is one parsed file and what it imports.
type source struct {
	file    string
	room    string
	test    bool
	imports []string
}

// sources parses the imports of every Go file, whatever its build tags.
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
		s := source{file: name, room: ".", test: strings.HasSuffix(name, "_test.go") || forTests(path.Dir(name))}
		if first, _, below := strings.Cut(name, "/"); below {
			s.room = first
		}
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

// forTests tells packages like store/pgtest from the product's.
func forTests(pkg string) bool {
	return strings.HasSuffix(path.Base(pkg), "test")
}

// broken lists what each file may not import.
func broken(all []source) []string {
	var found []string
	for _, s := range all {
		from, listed := rooms()[s.room]
		if !listed {
			found = append(found, fmt.Sprintf("%s: the room %q is not listed in arrows_test.go", s.file, s.room))
			continue
		}
		for _, imported := range s.imports {
			if problem := from.refuses(s, imported); problem != "" {
				found = append(found, s.file+": "+problem)
			}
		}
	}
	return found
}

func (r room) refuses(s source, imported string) string {
	allowed, heavy := r.imports, dependency(imported)
	if s.test {
		allowed = slices.Concat(allowed, r.tests)
	}
	switch {
	case imported == module || strings.HasPrefix(imported, module+"/"):
		if forTests(imported) && !s.test {
			return imported + " is for tests"
		}
		to, _, _ := strings.Cut(strings.TrimPrefix(imported, module+"/"), "/")
		if to == s.room || slices.Contains(allowed, to) {
			return ""
		}
		// Even cmd's privilege does not make cmd importable.
		if slices.Contains(allowed, everything) && to != "cmd" {
			return ""
		}
		return fmt.Sprintf("%s may not import %s", s.room, imported)
	case heavy != "":
		owner := dependencies()[heavy]
		may := owner.product
		if s.test {
			may = slices.Concat(may, owner.tests)
		}
		if slices.Contains(may, s.room) || slices.Contains(may, everything) {
			return ""
		}
		of := "belongs to " + strings.Join(owner.product, " and ")
		if len(owner.product) == 0 {
			of = "is for tests"
		}
		return fmt.Sprintf("%s may not import %s, which %s", s.room, imported, of)
	case strings.Contains(strings.Split(imported, "/")[0], "."):
		return imported + " has no owner in arrows_test.go"
	}
	return ""
}

// dependency is the longest listed path that an import lies within.
func dependency(imported string) string {
	for p := imported; p != "."; p = path.Dir(p) {
		if _, listed := dependencies()[p]; listed {
			return p
		}
	}
	return ""
}

func TestEveryArrowBetweenRoomsIsOnTheMap(t *testing.T) {
	all, err := sources(os.DirFS("."))
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 10 {
		t.Fatalf("only %d sources found; is this the root of the repository?", len(all))
	}
	for _, problem := range broken(all) {
		t.Error(problem)
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
		"session uses the standard library":   {"session/a.go", []string{"time", "wasup/session"}, ""},
		"session uses nothing else":           {"session/a.go", []string{"golang.org/x/text/width"}, "session/a.go: golang.org/x/text/width has no owner in arrows_test.go"},
		"session tests have their tools":      {"session/a_test.go", []string{"pgregory.net/rapid", "go.uber.org/goleak"}, ""},
		"tools of tests stay in tests":        {"actors/a.go", []string{"pgregory.net/rapid"}, "actors/a.go: actors may not import pgregory.net/rapid, which is for tests"},
		"actors know no store":                {"actors/a.go", []string{"wasup/store"}, "actors/a.go: actors may not import wasup/store"},
		"actors know no metrics, nor tests":   {"actors/a_test.go", []string{"wasup/metrics"}, "actors/a_test.go: actors may not import wasup/metrics"},
		"httpapi knows no actors":             {"httpapi/a.go", []string{"wasup/actors"}, "httpapi/a.go: httpapi may not import wasup/actors"},
		"httpapi knows no protoactor":         {"httpapi/a.go", []string{"github.com/asynkron/protoactor-go/actor"}, "httpapi/a.go: httpapi may not import github.com/asynkron/protoactor-go/actor, which belongs to actors and supervisor"},
		"httpapi owns Fiber":                  {"httpapi/v1/a.go", []string{"github.com/gofiber/fiber/v2/middleware/recover"}, ""},
		"cmd has no Fiber":                    {"cmd/wasup/a.go", []string{"github.com/gofiber/fiber/v2"}, "cmd/wasup/a.go: cmd may not import github.com/gofiber/fiber/v2, which belongs to httpapi"},
		"cmd imports every room":              {"cmd/wasup/a.go", []string{"wasup/configs", "wasup/supervisor", "wasup/sandbox/admin"}, ""},
		"nobody imports cmd":                  {"supervisor/a_test.go", []string{"wasup/cmd/wasup"}, "supervisor/a_test.go: supervisor may not import wasup/cmd/wasup"},
		"not even the root":                   {"a_test.go", []string{"wasup/cmd/wasup"}, "a_test.go: . may not import wasup/cmd/wasup"},
		"only cmd reads configs":              {"metrics/a.go", []string{"wasup/configs"}, "metrics/a.go: metrics may not import wasup/configs"},
		"the sandbox is not the adapter":      {"sandbox/a.go", []string{"wasup/whatsapp"}, "sandbox/a.go: sandbox may not import wasup/whatsapp"},
		"the sandbox speaks the protocol":     {"sandbox/internal/wire/a.go", []string{"go.mau.fi/whatsmeow/binary", "go.mau.fi/whatsmeow/proto/waE2E", "wasup/sandbox"}, ""},
		"the sandbox is no client":            {"sandbox/a.go", []string{"go.mau.fi/whatsmeow"}, "sandbox/a.go: sandbox may not import go.mau.fi/whatsmeow, which belongs to whatsapp"},
		"the sandbox is tested with a client": {"sandbox/a_test.go", []string{"go.mau.fi/whatsmeow", "go.mau.fi/whatsmeow/store/sqlstore"}, ""},
		"sqlstore is the adapter's":           {"store/a.go", []string{"go.mau.fi/whatsmeow/store/sqlstore"}, "store/a.go: store may not import go.mau.fi/whatsmeow/store/sqlstore, which belongs to whatsapp"},
		"SQL is the store's":                  {"outbox/a.go", []string{"database/sql/driver"}, "outbox/a.go: outbox may not import database/sql/driver, which belongs to store and whatsapp"},
		"the adapter hands a database on":     {"whatsapp/a.go", []string{"go.mau.fi/util/dbutil"}, ""},
		"the adapter has no driver":           {"whatsapp/a.go", []string{"database/sql", "modernc.org/sqlite"}, "whatsapp/a.go: whatsapp may not import modernc.org/sqlite, which belongs to store"},
		"a test package is for tests":         {"store/a.go", []string{"wasup/store/pgtest"}, "store/a.go: wasup/store/pgtest is for tests"},
		"and may what they may":               {"sandbox/internal/devicetest/a.go", []string{"go.mau.fi/whatsmeow/store/sqlstore", "modernc.org/sqlite"}, ""},
		"an unlisted room":                    {"util/a.go", nil, `util/a.go: the room "util" is not listed in arrows_test.go`},
		"code at the root":                    {"a.go", []string{"wasup/session"}, "a.go: . may not import wasup/session"},
		"a build tag hides nothing":           {"session/a_windows.go", []string{"wasup/store"}, "session/a_windows.go: session may not import wasup/store"},
		"test data is not ours":               {"session/testdata/a.go", []string{"wasup/store"}, ""},
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
