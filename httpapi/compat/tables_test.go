package compat

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"strings"
	"testing"

	"wasup/httpapi/rest"
	"wasup/internal/session"
)

func TestEverySessionCodeHasARule(t *testing.T) {
	known := make(map[session.Code]bool)
	for _, doc := range session.Codes() {
		known[doc.Code] = true
		r, ok := rules[doc.Code]
		if !ok {
			t.Errorf("%s has no row in rules", doc.Code)
			continue
		}
		if r.status < 400 || r.status > 599 {
			t.Errorf("%s has status %d", doc.Code, r.status)
		}
	}
	for code := range rules {
		if !known[code] {
			t.Errorf("rules has %s, which is no session code", code)
		}
	}
}

func TestEveryStateHasItsWords(t *testing.T) {
	hub := map[string]bool{"init": true, "qr_required": true, "connecting": true, "connected": true, "disconnected": true, "error": true}
	for _, state := range session.States() {
		if actions[state] == "" {
			t.Errorf("%s has no recommended action", state)
		}
		if !hub[hubStatuses[state]] {
			t.Errorf("%s has the hub status %q, which is not the hub's", state, hubStatuses[state])
		}
	}
	if len(actions) != len(session.States()) || len(hubStatuses) != len(session.States()) {
		t.Errorf("%d actions and %d hub statuses for %d states", len(actions), len(hubStatuses), len(session.States()))
	}
}

// The codes are read from the source, so that the test covers every new one.
func TestEveryWireCodeHasASentenceInBothShapes(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "faults.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || !strings.HasPrefix(spec.Names[0].Name, "code") || len(spec.Values) != 1 {
			return true
		}
		basic, ok := spec.Values[0].(*ast.BasicLit)
		if !ok {
			return true
		}
		code, err := strconv.Unquote(basic.Value)
		if err != nil {
			t.Fatal(err)
		}
		found++
		if sentence(code, coded) == "" || sentence(code, flagged) == "" {
			t.Errorf("%s has no sentence", code)
		}
		return true
	})
	if found != len(sentences) {
		t.Errorf("%d codes and %d sentences", found, len(sentences))
	}
}

func TestEveryRefusalHasACode(t *testing.T) {
	for _, reason := range rest.Reasons() {
		if sentence(refusals[reason], flagged) == "" {
			t.Errorf("%s has no code with a sentence", reason)
		}
	}
	if len(refusals) != len(rest.Reasons()) {
		t.Errorf("%d codes for %d reasons", len(refusals), len(rest.Reasons()))
	}
}
