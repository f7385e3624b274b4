package message

import (
	"mime"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// baseType returns a media type without its parameters, in lower case.
func baseType(mediaType string) string {
	kind, _, _ := strings.Cut(mediaType, ";")
	return strings.TrimSpace(strings.ToLower(kind))
}

// TypeOf returns the media type of a file: the one that its bytes show, or what the caller says if the bytes fit many
// types.
func TypeOf(shown, said string) string {
	said, _, err := mime.ParseMediaType(said)
	if err != nil || !strings.Contains(said, "/") || len(said) > 100 {
		return shown
	}
	family, _, _ := strings.Cut(said, "/")
	switch {
	case shown == "application/octet-stream" && ShownAsImage(said):
		return shown // the bytes of an image always show its type
	case shown == "application/octet-stream":
		return said
	case family == "image" || family == "video" || family == "audio":
		return shown // the bytes of these are always recognized
	case shown == "text/plain", shown == "application/zip", shown == "application/x-ole-storage":
		return said // many formats are built on these
	default:
		return shown
	}
}

// isRight reports whether the end of a name is a right extension for a type: the usual one, or that of a format whose
// bytes look the same. Of a picture, a sound or a film it may be that of another one, because players look at the bytes.
// Many formats are built on texts and archives. Of these the name alone says which it is, so whatever looks like an
// extension is right.
func isRight(ending, kind string) bool {
	lower := strings.ToLower(ending)
	usual := extensions()[kind]
	switch {
	case lower == usual || slices.Contains(alike()[usual], lower):
		return true
	case isText(kind):
		return isExtension(ending)
	case isArchive(kind):
		return isExtension(ending) && !slices.Contains(madeBy(), lower)
	default:
		return isMedia(kind) && isMedia(baseType(mime.TypeByExtension(ending)))
	}
}

// isExtension reports whether the end of a name looks like an extension: a few letters and digits. A version is none, such
// as the 2 of offer.2 or the v2 of offer.v2. One letter is none either, such as the L of Empresa S.L, unless it is a small
// one, as of main.c.
func isExtension(ending string) bool {
	text := strings.TrimPrefix(ending, ".")
	version := strings.TrimLeft(text, "vV")
	plain := strings.IndexFunc(text, func(r rune) bool {
		return r >= utf8.RuneSelf || !unicode.IsLetter(r) && !unicode.IsDigit(r)
	}) < 0
	short := len(text) == 1 && text != strings.ToLower(text)
	return text != "" && len(text) <= 8 && plain && !short && strings.Trim(version, "0123456789") != ""
}

func isText(kind string) bool {
	return strings.HasPrefix(kind, "text/") && kind != "text/rtf" || kind == "application/json" || kind == "application/xml"
}

// isArchive reports whether many formats are built on a type. Those of cameras are built on TIFF.
func isArchive(kind string) bool {
	return slices.Contains([]string{"application/zip", "application/gzip", "application/x-tar", "image/tiff"}, kind)
}

func isMedia(kind string) bool {
	family, _, _ := strings.Cut(kind, "/")
	return family == "image" || family == "video" || family == "audio"
}

// madeBy lists extensions of programs that write files, and of files of any kind.
func madeBy() []string {
	return []string{
		".ashx", ".asp", ".aspx", ".bin", ".cgi", ".dat", ".do", ".download", ".file", ".htm", ".html", ".jsp", ".php", ".php3", ".php5", ".pl", ".tmp",
	}
}

// alike lists, for the usual extension of a type, those of other formats whose bytes look the same: templates, files
// with macros, sounds with chapters. The machine's own table does not have them everywhere.
func alike() map[string][]string {
	return map[string][]string{
		".pdf": {".ai"}, ".rtf": {".doc", ".dot"}, ".rar": {".cbr"}, ".7z": {".cb7"},
		".doc": {".dot"}, ".xls": {".xla", ".xlm", ".xlt"}, ".ppt": {".pot", ".ppa", ".pps"},
		".docx": {".docm", ".dotm", ".dotx"}, ".xlsx": {".xlam", ".xlsb", ".xlsm", ".xltm", ".xltx"},
		".pptx": {".potm", ".potx", ".ppam", ".ppsm", ".ppsx", ".pptm", ".thmx"},
		".odt":  {".odm", ".ott"}, ".ods": {".ots"}, ".odp": {".otp"},
		".m4a": {".aax", ".m4b", ".m4p", ".m4r"}, ".ogg": {".spx"}, ".mp3": {".mp2", ".mpga"},
		".mp4": {".f4v", ".m4v"}, ".3gp": {".3g2", ".3gpp"}, ".mov": {".qt"}, ".mkv": {".mk3d", ".mka"}, ".avi": {".divx"},
		".jpg": {".jpe"}, ".heic": {".hif"}, ".heif": {".hif"},
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
