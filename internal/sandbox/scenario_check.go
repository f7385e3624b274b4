package sandbox

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// minEvery is the shortest interval of a repeated step. A shorter one would keep the server busy.
const minEvery = 10 * time.Millisecond

var (
	yamlUnknownField = regexp.MustCompile(`line (\d+): field (\S+) not found in type`)
	yamlWrongType    = regexp.MustCompile("line (\\d+): cannot unmarshal !!(\\S+) (?:`(.*)` )?into (\\S+)")
)

// explainYAML turns the decoder's error, which is about Go types, into one with the line, the field and the expected
// value.
func explainYAML(raw []byte, err error) error {
	text := err.Error()
	var bad *lengthError
	if errors.As(err, &bad) {
		return fmt.Errorf("line %d: %sexpected a duration such as 500ms, 10s or 2m, found %q", bad.line, fieldAt(raw, bad.line, bad.value), bad.value)
	}
	if found := yamlUnknownField.FindStringSubmatch(text); found != nil {
		return fmt.Errorf("line %s: %s: no such field here", found[1], found[2])
	}
	if found := yamlWrongType.FindStringSubmatch(text); found != nil {
		line, _ := strconv.Atoi(found[1]) // digits
		return fmt.Errorf("line %d: %sexpected %s, found %s", line, fieldAt(raw, line, found[3]), yamlExpectation(found[4]), found[2])
	}
	return errors.New(strings.Join(strings.Fields(strings.TrimPrefix(text, "yaml: ")), " "))
}

func yamlExpectation(goType string) string {
	switch {
	case strings.HasPrefix(goType, "[]"):
		return "a list"
	case strings.Contains(goType, "."):
		return "a mapping"
	case strings.HasPrefix(goType, "int"), strings.HasPrefix(goType, "uint"):
		return "a whole number"
	case strings.HasPrefix(goType, "float"):
		return "a number"
	case goType == "bool":
		return "true or false"
	default:
		return "text"
	}
}

// fieldAt returns the name of the field whose value begins on a line, as "field: ", or "" if it is unknown. The decoder
// shortens long values in its errors, so only their beginning is compared.
func fieldAt(raw []byte, line int, value string) string {
	var root yaml.Node
	if yaml.NewDecoder(bytes.NewReader(raw)).Decode(&root) != nil {
		return ""
	}
	begins, _, _ := strings.Cut(value, "...")
	var find func(*yaml.Node) string
	find = func(node *yaml.Node) string {
		for i, child := range node.Content {
			if node.Kind == yaml.MappingNode && i%2 == 1 && child.Line == line && strings.HasPrefix(child.Value, begins) {
				return node.Content[i-1].Value + ": "
			}
			if found := find(child); found != "" {
				return found
			}
		}
		return ""
	}
	return find(&root)
}

func (step Step) check() error {
	actions := 0
	for _, set := range []bool{
		step.Fault != nil, step.Drop != nil, step.Close != nil, step.HalfOpen != nil, step.StreamError != nil,
		step.Restart != nil, step.Send != nil, step.Clear,
	} {
		if set {
			actions++
		}
	}
	switch {
	case actions != 1:
		return fmt.Errorf("expected exactly one of fault, drop, close, half_open, stream_error, restart, send, clear; found %d (write `drop: {}` for every connection)", actions)
	case step.Every < 0 || (step.Every > 0 && step.Every < minEvery):
		return fmt.Errorf("every: expected at least %s", minEvery)
	case step.Times < 0:
		return errors.New("times: expected 0 or more")
	case step.Times > 1 && step.Every == 0:
		return errors.New("every: expected a duration where times is given")
	case step.Send != nil && (step.Send.From == "" || step.Send.To == "" || step.Send.Text == ""):
		return errors.New("send: expected from, to and text")
	case step.StreamError != nil && step.StreamError.Code == 0 && step.StreamError.Conflict == "":
		return errors.New("stream_error: expected code or conflict")
	case step.StreamError != nil && step.StreamError.Code != 0 && (step.StreamError.Code < 100 || step.StreamError.Code > 999):
		return errors.New("stream_error: code: expected 100 to 999")
	case step.Fault != nil:
		fault := *step.Fault
		return fault.Check()
	default:
		return nil
	}
}
