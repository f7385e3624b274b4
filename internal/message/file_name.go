package message

import (
	"mime"
	"net/url"
	"path"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// FileName returns a document's name with an extension by which phones open it: factura becomes factura.pdf, and
// download.php becomes download.pdf if it is a PDF. A name with an extension stays, unless the extension only says how the
// file was made. "" stays.
func FileName(name, mediaType string) string {
	kind, _, _ := strings.Cut(mediaType, ";")
	kind = strings.TrimSpace(strings.ToLower(kind))
	wanted := extensions()[kind]
	if name == "" || wanted == "" {
		return name
	}
	ending := path.Ext(name)
	switch isText := strings.HasPrefix(kind, "text/") || kind == "application/json" || kind == "application/xml"; {
	case strings.EqualFold(ending, wanted):
		return name
	case isExtension(ending) && (isText || !slices.Contains(madeBy(), strings.ToLower(ending))):
		return name
	case isExtension(ending):
		name = strings.TrimSuffix(name, ending)
	}
	name = strings.TrimRight(name, ". ")
	for len(name) > maxFileName-len(wanted) {
		_, size := utf8.DecodeLastRuneInString(name)
		name = name[:len(name)-size]
	}
	return name + wanted
}

// isExtension reports whether the end of a name is an extension: a few letters and digits. A version is none, such as the
// 2 of offer.2 or the v2 of offer.v2.
func isExtension(ending string) bool {
	text := strings.TrimPrefix(ending, ".")
	version := strings.TrimLeft(text, "vV")
	plain := strings.IndexFunc(text, func(r rune) bool {
		return r >= utf8.RuneSelf || !unicode.IsLetter(r) && !unicode.IsDigit(r)
	}) < 0
	return text != "" && len(text) <= 8 && plain && strings.Trim(version, "0123456789") != ""
}

// madeBy lists extensions of programs that write files, and of files of any kind.
func madeBy() []string {
	return []string{
		".ashx", ".asp", ".aspx", ".bin", ".cgi", ".dat", ".do", ".download", ".file", ".htm", ".html", ".jsp", ".php", ".php3", ".php5", ".pl", ".tmp",
	}
}

// extensions are those that phones know of the types that people send. The machine's own table may have others, or
// none.
func extensions() map[string]string {
	return map[string]string{
		"application/pdf": ".pdf", "application/rtf": ".rtf", "text/rtf": ".rtf", "application/epub+zip": ".epub",
		"application/zip": ".zip", "application/x-7z-compressed": ".7z", "application/x-rar-compressed": ".rar", "application/vnd.rar": ".rar",
		"application/gzip": ".gz", "application/x-tar": ".tar", "application/json": ".json", "application/xml": ".xml", "text/xml": ".xml",
		"application/vnd.android.package-archive": ".apk", "text/plain": ".txt", "text/csv": ".csv", "text/html": ".html",
		"text/vcard": ".vcf", "text/calendar": ".ics", "application/msword": ".doc", "application/vnd.ms-excel": ".xls", "application/vnd.ms-powerpoint": ".ppt",
		"application/vnd.openxmlformats-officedocument.wordprocessingml.document":   ".docx",
		"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet":         ".xlsx",
		"application/vnd.openxmlformats-officedocument.presentationml.presentation": ".pptx",
		"application/vnd.oasis.opendocument.text":                                   ".odt",
		"application/vnd.oasis.opendocument.spreadsheet":                            ".ods",
		"application/vnd.oasis.opendocument.presentation":                           ".odp",
		"image/jpeg": ".jpg", "image/png": ".png", "image/gif": ".gif", "image/webp": ".webp", "image/bmp": ".bmp", "image/tiff": ".tiff", "image/heic": ".heic",
		"image/heif": ".heif", "image/avif": ".avif", "image/svg+xml": ".svg",
		"video/mp4": ".mp4", "video/3gpp": ".3gp", "video/quicktime": ".mov", "video/webm": ".webm", "video/matroska": ".mkv", "video/x-matroska": ".mkv", "video/x-msvideo": ".avi",
		"audio/mpeg": ".mp3", "audio/mp4": ".m4a", "audio/aac": ".aac", "audio/amr": ".amr", "audio/ogg": ".ogg", "audio/wav": ".wav", "audio/flac": ".flac",
		"audio/webm": ".weba",
	}
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
