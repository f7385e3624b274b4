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

// sleepers lists the test files that call time.Sleep outside testing/synctest. A
// real sleep makes a test slow if it is too long and flaky if it is too short. The
// linter forbids sleeps in the product.
func sleepers(tree fs.FS) ([]string, error) {
	all, err := sources(tree)
	if err != nil {
		return nil, err
	}
	var found []string
	for _, s := range all {
		if !s.test {
			continue
		}
		text, err := fs.ReadFile(tree, s.file)
		if err != nil {
			return nil, err
		}
		file, err := parser.ParseFile(token.NewFileSet(), s.file, text, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		fake := false
		for _, imported := range s.imports {
			fake = fake || imported == "testing/synctest"
		}
		ast.Inspect(file, func(n ast.Node) bool {
			selector, ok := n.(*ast.SelectorExpr)
			if !ok || fake || selector.Sel.Name != "Sleep" {
				return true
			}
			if of, ok := selector.X.(*ast.Ident); ok && of.Name == "time" {
				found = append(found, s.file)
			}
			return true
		})
	}
	return found, nil
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
func strayJSON(tree fs.FS) ([]string, error) {
	all, err := sources(tree)
	if err != nil {
		return nil, err
	}
	var found []string
	for _, s := range all {
		if s.test || s.room == "internal/sandbox" || s.room == "internal/soak" || slices.Contains(privateJSON(), s.file) ||
			strings.HasPrefix(path.Base(s.file), "dto") {
			continue
		}
		text, err := fs.ReadFile(tree, s.file)
		if err != nil {
			return nil, err
		}
		file, err := parser.ParseFile(token.NewFileSet(), s.file, text, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		stray := false
		ast.Inspect(file, func(n ast.Node) bool {
			field, ok := n.(*ast.Field)
			stray = stray || ok && field.Tag != nil && strings.Contains(field.Tag.Value, `json:"`)
			return true
		})
		if stray {
			found = append(found, s.file)
		}
	}
	return found, nil
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
