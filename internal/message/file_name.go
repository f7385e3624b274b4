package message

import (
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

// looseFileName finds filename* or filename in a header that breaks the rules.
func looseFileName(disposition string) (name string) {
	for part := range strings.SplitSeq(disposition, ";") {
		key, value, found := strings.Cut(part, "=")
		value = strings.TrimSpace(value)
		switch strings.ToLower(strings.TrimSpace(key)) {
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
			if found {
				name = strings.Trim(value, `"`)
			}
		}
	}
	return name
}

// fromLatin1 converts ISO 8859-1, which old servers write, to UTF-8.
func fromLatin1(s string) string {
	out := make([]rune, len(s))
	for i := range len(s) {
		out[i] = rune(s[i])
	}
	return string(out)
}
