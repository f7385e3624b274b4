package configs

import (
	"bytes"
	_ "embed"
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"
)

//go:generate go test -count=1 -run ^TestTheDefaultFileIsWhatDefaultWrites$ . -update

//go:embed default.yaml
var defaultYAML []byte

// DefaultYAML returns the default configuration file: every key with its meaning,
// unit and default.
func DefaultYAML() []byte { return bytes.Clone(defaultYAML) }

const header = `# Configuration of wasup: every key, with its default.
#
# Flags (--http.listen) override the environment (WASUP_HTTP_LISTEN), which
# overrides this file, which overrides the defaults. Unknown keys are errors.
`

// lineWidth is the maximum width of a comment in the file, in characters.
const lineWidth = 88

// Write writes the whole configuration as YAML that Load can read. A comment above
// each key gives its meaning, unit, default and variable. Secrets are masked.
func (c Config) Write(w io.Writer) error {
	var out bytes.Buffer
	out.WriteString(header)
	def, section := Default(), ""
	for _, f := range fields() {
		name, key, _ := strings.Cut(f.name, ".")
		if name != section {
			fmt.Fprintf(&out, "\n%s:\n", name)
			section = name
		}
		comment(&out, f.doc)
		comment(&out, fmt.Sprintf("Unit: %s. Default: %s.", f.unit, orNone(f.get(&def))))
		comment(&out, "Environment: "+envName(f.name))
		value, err := scalar(f.shown(f.get(&c)))
		if err != nil {
			return fmt.Errorf("%s cannot be written as YAML: %w", f.name, err)
		}
		fmt.Fprintf(&out, "  %s: %s\n", key, value)
	}
	_, err := w.Write(out.Bytes())
	return err
}

// scalar returns a value as YAML. It quotes the value only where YAML would read
// the plain text as something else.
func scalar(value string) (string, error) {
	if value == "true" || value == "false" {
		return value, nil
	}
	plain := &yaml.Node{}
	if yaml.Unmarshal([]byte("k: "+value), plain) == nil && isPlain(plain, value) {
		return value, nil
	}
	quoted, err := yaml.Marshal(&yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Style: yaml.DoubleQuotedStyle, Value: value})
	return strings.TrimSuffix(string(quoted), "\n"), err
}

func isPlain(document *yaml.Node, value string) bool {
	if len(document.Content) != 1 || len(document.Content[0].Content) != 2 {
		return false
	}
	n := document.Content[0].Content[1]
	return n.Kind == yaml.ScalarNode && n.Tag != "!!null" && n.Value == value && n.LineComment == "" && n.FootComment == ""
}

func orNone(value string) string {
	if value == "" {
		return "none"
	}
	return value
}

func comment(out *bytes.Buffer, text string) {
	line := "  #"
	for word := range strings.FieldsSeq(text) {
		if len(line)+1+len(word) > lineWidth {
			fmt.Fprintln(out, line)
			line = "  #"
		}
		line += " " + word
	}
	fmt.Fprintln(out, line)
}
