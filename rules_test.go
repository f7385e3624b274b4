package wasup

import (
	"encoding/hex"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/socket"

	"wasup/configs"
)

// configs may not import whatsmeow, so it repeats two of its values.
func TestTheDefaultServerIsTheOneThatWhatsmeowKnows(t *testing.T) {
	if got := configs.Default().WhatsApp; got.WebsocketURL != socket.URL || got.RootPublicKey != whatsmeow.WACertPubKey {
		t.Fatalf("configs has %s and %x, whatsmeow %s and %s", got.WebsocketURL, got.RootPublicKey, socket.URL, hex.EncodeToString(whatsmeow.WACertPubKey[:]))
	}
}

// nodesOf calls visit with each node of the sources that chosen accepts.
func nodesOf(tree fs.FS, chosen func(source) bool, visit func(s source, n ast.Node)) error {
	all, err := sources(tree)
	if err != nil {
		return err
	}
	for _, s := range all {
		if !chosen(s) {
			continue
		}
		text, err := fs.ReadFile(tree, s.file)
		if err != nil {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), s.file, text, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			visit(s, n)
			return true
		})
	}
	return nil
}

// sleepers lists the tests that sleep outside testing/synctest, once for each sleep. A real sleep makes a test slow if it
// is too long and flaky if it is too short. (The linter refuses sleeps of the product.)
func sleepers(tree fs.FS) (found []string, err error) {
	outside := func(s source) bool { return s.test && !slices.Contains(s.imports, "testing/synctest") }
	err = nodesOf(tree, outside, func(s source, n ast.Node) {
		selector, ok := n.(*ast.SelectorExpr)
		if !ok || selector.Sel.Name != "Sleep" {
			return
		}
		if of, ok := selector.X.(*ast.Ident); ok && of.Name == "time" {
			found = append(found, s.file)
		}
	})
	return found, err
}

func TestTestsSleepOnlyInSynctest(t *testing.T) {
	found, err := sleepers(os.DirFS("."))
	if err != nil {
		t.Fatal(err)
	}
	if len(found) > 0 {
		t.Fatalf("time.Sleep outside testing/synctest; wait for the event instead:\n%s", strings.Join(found, "\n"))
	}
	const body = "func f() { time.Sleep(1) }\n"
	found, err = sleepers(fstest.MapFS{
		"internal/session/real_test.go": {Data: []byte("package p\nimport \"time\"\n" + body)},
		"internal/session/fake_test.go": {Data: []byte("package p\nimport (\n\"time\"\n\"testing/synctest\"\n)\n" + body)},
	})
	if err != nil || len(found) != 1 || found[0] != "internal/session/real_test.go" {
		t.Fatalf("found %v, %v", found, err)
	}
}

// privateJSON lists the files whose JSON stays in this process or on its disk, or is a caller's own.
func privateJSON() []string {
	return []string{
		"internal/media/outgoing/put.go", // what is known of a file, beside it on the disk
		"cmd/wasup/demo.go",              // what the demonstration reads of the sandbox's answers
	}
}

// strayJSON lists the product's files that give JSON a shape, without being the file of their package for that.
func strayJSON(tree fs.FS) (found []string, err error) {
	public := func(s source) bool {
		return !s.test && s.room != "internal/sandbox" && s.room != "internal/soak" && !slices.Contains(privateJSON(), s.file) &&
			!strings.HasPrefix(path.Base(s.file), "dto")
	}
	err = nodesOf(tree, public, func(s source, n ast.Node) {
		field, ok := n.(*ast.Field)
		if ok && field.Tag != nil && strings.Contains(field.Tag.Value, `json:"`) && !slices.Contains(found, s.file) {
			found = append(found, s.file)
		}
	})
	return found, err
}

// TestPublicJSONHasItsShapeInDTOFiles keeps the JSON that people and programs see where a reader finds it: requests and
// answers below httpapi, contents in internal/message, events in internal/events, what receivers get in internal/webhooks.
func TestPublicJSONHasItsShapeInDTOFiles(t *testing.T) {
	found, err := strayJSON(os.DirFS("."))
	if err != nil {
		t.Fatal(err)
	}
	if len(found) > 0 {
		t.Errorf("json tags outside dto files:\n%s", strings.Join(found, "\n"))
	}
	const body = "package p\ntype a struct {\n\tB int `json:\"b\"`\n}\n"
	found, err = strayJSON(fstest.MapFS{
		"internal/session/status.go":    {Data: []byte(body)},
		"internal/session/dto.go":       {Data: []byte(body)},
		"internal/session/some_test.go": {Data: []byte(body)},
		"internal/session/plain.go":     {Data: []byte("package p\ntype a struct{ B int }\n")},
	})
	if err != nil || !slices.Equal(found, []string{"internal/session/status.go"}) {
		t.Errorf("found %v, %v", found, err)
	}
}
