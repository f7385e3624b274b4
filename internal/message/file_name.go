package message

import (
	"iter"
	"mime"
	"net/url"
	"path"
	"slices"
	"strings"
	"unicode/utf8"
)

// FileName returns a document's name with an extension by which phones open it: factura and factura.enero become
// factura.pdf and factura.enero.pdf, and download.php becomes download.pdf if it is a PDF. An extension that is right for the
// type stays, and "" stays.
func FileName(name, mediaType string) string {
	kind := baseType(mediaType)
	wanted := extensions()[kind]
	ending := path.Ext(name)
	switch {
	case name == "" || wanted == "" || isRight(ending, kind):
		return name
	case slices.Contains(madeBy(), strings.ToLower(ending)):
		name = strings.TrimSuffix(name, ending)
	}
	name = strings.TrimRight(name, ". ")
	for len(name) > maxFileName-len(wanted) {
		_, size := utf8.DecodeLastRuneInString(name)
		name = name[:len(name)-size]
	}
	return name + wanted
}

// FileNameIn returns the file name of a Content-Disposition header, "" if it has none. Beside the standard (RFC 6266) it
// reads what servers write: names with spaces but without quotes, encoded words (RFC 2047), and percent signs. It may be
// any text: a path, too.
func FileNameIn(disposition string) string {
	_, parameters, err := mime.ParseMediaType(disposition)
	name := parameters["filename"]
	if err != nil || name == "" {
		name = looseFileName(disposition)
	}
	decoder := mime.WordDecoder{}
	if plain, err := decoder.DecodeHeader(name); err == nil {
		name = plain
	}
	if plain, err := url.PathUnescape(name); err == nil && utf8.ValidString(plain) {
		name = plain
	}
	if !utf8.ValidString(name) {
		name = fromLatin1(name)
	}
	return name
}

// FormNameIn returns the name of the part of a form that has this Content-Disposition, "" if it has none, or several. It
// reads the same headers as FileNameIn.
func FormNameIn(disposition string) string {
	kind, parameters, err := mime.ParseMediaType(disposition)
	name := parameters["name"]
	if err != nil {
		kind, _, _ = strings.Cut(disposition, ";")
		kind = strings.ToLower(strings.TrimSpace(kind))
		name = looseName(disposition)
	}
	if kind != "form-data" {
		return ""
	}
	return name
}

// looseName finds the one name in a header that breaks the rules.
func looseName(disposition string) (name string) {
	found := false
	for key, value := range looseParameters(disposition) {
		if key != "name" {
			continue
		}
		if found {
			return ""
		}
		name, found = strings.Trim(value, `"`), true
	}
	return name
}

// looseFileName finds filename* or filename in a header that breaks the rules.
func looseFileName(disposition string) (name string) {
	for key, value := range looseParameters(disposition) {
		switch key {
		case "filename*":
			charset, rest, _ := strings.Cut(value, "'")
			_, encoded, ok := strings.Cut(rest, "'")
			plain, err := url.PathUnescape(strings.Trim(encoded, `"`))
			if !ok || err != nil {
				continue
			}
			if strings.EqualFold(charset, "iso-8859-1") {
				plain = fromLatin1(plain)
			}
			return plain
		case "filename":
			name = strings.Trim(value, `"`)
		}
	}
	return name
}

// looseParameters yields the parameters of a header that breaks the rules, their keys in lower case. A semicolon between
// quotes ends none, unless a quote has no other.
func looseParameters(header string) iter.Seq2[string, string] {
	paired := strings.Count(header, `"`)%2 == 0
	return func(yield func(string, string) bool) {
		for quoted, rest := false, header; rest != ""; {
			end := 0
			for ; end < len(rest) && (rest[end] != ';' || quoted); end++ {
				quoted = paired && quoted != (rest[end] == '"')
			}
			key, value, found := strings.Cut(rest[:end], "=")
			if found && !yield(strings.ToLower(strings.TrimSpace(key)), strings.TrimSpace(value)) {
				return
			}
			rest = rest[min(end+1, len(rest)):]
		}
	}
}

// fromLatin1 converts ISO 8859-1, which old servers write, to UTF-8.
func fromLatin1(s string) string {
	out := make([]rune, len(s))
	for i := range len(s) {
		out[i] = rune(s[i])
	}
	return string(out)
}
