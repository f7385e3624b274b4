package whatsapp

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the table of phases anew")

func TestTheArchitectureShowsThePhases(t *testing.T) {
	const begin, end = "<!-- phases: generated from phase.go and phase_table.go by `go generate ./internal/whatsapp` -->\n", "<!-- phases end -->\n"
	file := filepath.Join("..", "..", "docs", "architecture.md")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(text), begin)
	_, after, ended := strings.Cut(rest, end)
	if !found || !ended {
		t.Fatalf("%s has no place for the table: expected it between %q and %q", file, begin, end)
	}
	want := before + begin + "\n" + phasesTable() + "\n" + end + after
	switch {
	case want == string(text):
	case !*update:
		t.Fatalf("%s does not show the phases of a run: run `go generate ./internal/whatsapp`", file)
	default:
		if err := os.WriteFile(file, []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// phasesTable renders each phase with its meaning and the phases that it leads to. It leaves out CLOSING, which
// CloseAsked leads to from every phase.
func phasesTable() string {
	var b strings.Builder
	b.WriteString("| Phase | Meaning | Leads to |\n| --- | --- | --- |\n")
	for _, each := range phases {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", each.phase, each.what, strings.Join(exits(each.phase), "; "))
	}
	return b.String()
}

// exits returns the phases that follow, each with the inputs that lead there.
func exits(from phase) []string {
	var order []phase
	inputs := map[phase][]string{}
	for _, row := range phaseTable {
		if row.to == "" || row.to == from || row.on == inputCloseAsked || !slices.Contains(row.from, from) {
			continue
		}
		if !slices.Contains(order, row.to) {
			order = append(order, row.to)
		}
		on := string(row.on)
		if row.when != nil {
			on += " (" + row.when.name + ")"
		}
		inputs[row.to] = append(inputs[row.to], on)
	}
	out := make([]string, len(order))
	for i, to := range order {
		out[i] = string(to) + " on " + strings.Join(inputs[to], ", ")
	}
	return out
}
