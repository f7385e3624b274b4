package configs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxFile bounds the file, in bytes. A configuration is small, and a wrong path
// may lead to a file of any size.
const maxFile = 1 << 20

// file reads a YAML file. It walks the parsed nodes instead of decoding them into
// a structure: so every error has its line, unknown and repeated keys are found,
// and values stay as they are written.
func (l *loader) file(path string) {
	raw, err := readFile(path)
	if err != nil {
		l.fail(path, "", "configuration file", err.Error())
		return
	}
	decoder := yaml.NewDecoder(bytes.NewReader(raw))
	var document yaml.Node
	err = decoder.Decode(&document)
	if errors.Is(err, io.EOF) {
		return
	}
	if err != nil {
		l.fail(path, "", "configuration file", "is not YAML"+yamlLine(err))
		return
	}
	if err := decoder.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		l.fail(path, "", "configuration file", "expected one YAML document, found more")
		return
	}
	walk := fileWalk{loader: l, name: filepath.Base(path), seen: map[string]bool{}}
	walk.node("", document.Content[0])
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		var pathErr *fs.PathError
		if errors.As(err, &pathErr) {
			err = pathErr.Err
		}
		return nil, fmt.Errorf("cannot be read: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, errors.New("cannot be read")
	}
	if info.IsDir() {
		return nil, errors.New("is a folder; expected a YAML file")
	}
	raw, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, errors.New("cannot be read")
	}
	if len(raw) > maxFile {
		return nil, fmt.Errorf("is larger than %s", formatSize(maxFile))
	}
	return raw, nil
}

var lineOf = regexp.MustCompile(`line \d+`)

// yamlLine returns only the line of the parser's message: the rest may quote secret values.
func yamlLine(err error) string {
	if line := lineOf.FindString(err.Error()); line != "" {
		return " near " + line
	}
	return ""
}

type fileWalk struct {
	*loader
	name string
	seen map[string]bool
}

func (w *fileWalk) at(n *yaml.Node) string { return fmt.Sprintf("%s:%d", w.name, n.Line) }

func (w *fileWalk) node(key string, n *yaml.Node) {
	if n.Kind == yaml.AliasNode {
		w.fail(keyOrFile(key), "", w.at(n), "expected a value as it stands, found a YAML alias")
		return
	}
	if f, known := w.byName[key]; known {
		w.value(f, n)
		return
	}
	null := n.Kind == yaml.ScalarNode && n.Tag == "!!null"
	if key != "" && !w.isSection(key) {
		// For an unknown section, report its keys: they are more helpful.
		if n.Kind != yaml.MappingNode || len(n.Content) == 0 {
			w.unknownKey(key, w.at(n))
			return
		}
	}
	switch {
	case n.Kind == yaml.MappingNode:
		w.mapping(key, n)
	case null: // a section whose keys are all commented out
	default:
		w.fail(keyOrFile(key), "", w.at(n), "is a section; expected keys below it, such as "+w.example(key))
	}
}

func (w *fileWalk) mapping(prefix string, n *yaml.Node) {
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, value := n.Content[i], n.Content[i+1]
		key := name.Value
		if name.Kind != yaml.ScalarNode || key == "" {
			w.fail(keyOrFile(prefix), "", w.at(name), "expected the name of a key")
			continue
		}
		if prefix != "" {
			key = prefix + "." + key
		}
		if w.seen[key] {
			w.fail(key, "", w.at(name), "is given twice")
			continue
		}
		w.seen[key] = true
		w.node(key, value)
	}
}

func (w *fileWalk) value(f field, n *yaml.Node) {
	if f.many && n.Kind == yaml.SequenceNode {
		w.list(f, n)
		return
	}
	if n.Kind != yaml.ScalarNode {
		w.fail(f.name, "", w.at(n), "expected "+f.want+", found a list or a section")
		return
	}
	value := n.Value
	if n.Tag == "!!null" {
		value = ""
	}
	w.set(f, value, w.at(n))
}

// list sets a field to a list of values.
func (w *fileWalk) list(f field, n *yaml.Node) {
	values := make([]string, 0, len(n.Content))
	for _, each := range n.Content {
		if each.Kind != yaml.ScalarNode || each.Tag == "!!null" || strings.Contains(each.Value, ",") {
			w.fail(f.name, "", w.at(each), "expected "+f.want)
			return
		}
		values = append(values, each.Value)
	}
	w.set(f, strings.Join(values, ", "), w.at(n))
}

func (w *fileWalk) isSection(key string) bool {
	for name := range w.byName {
		if strings.HasPrefix(name, key+".") {
			return true
		}
	}
	return false
}

func (w *fileWalk) example(section string) string {
	for _, f := range fields() {
		if section == "" || strings.HasPrefix(f.name, section+".") {
			return f.name
		}
	}
	return "http.listen"
}

func keyOrFile(key string) string {
	if key == "" {
		return "the file"
	}
	return key
}
