package message

import (
	"strings"
	"testing"
	"unicode/utf8"
)

const wordType = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"

func TestADocumentHasANameThatPhonesOpen(t *testing.T) {
	for _, test := range []struct{ name, kind, want string }{
		{"factura", "application/pdf", "factura.pdf"},
		{"download.php", "application/pdf", "download.pdf"},
		{"file.bin", "application/pdf", "file.pdf"},
		{"factura.PDF", "application/pdf", "factura.PDF"},
		{"Factura 1.5", "application/pdf", "Factura 1.5.pdf"},
		{"factura.v2", "application/pdf", "factura.v2.pdf"},
		{"Factura Nº 12.", "application/pdf", "Factura Nº 12.pdf"},
		{"acuerdo S.A. de C.V", wordType, "acuerdo S.A. de C.V.docx"},
		{"drawing.ai", "application/pdf", "drawing.ai"},
		{"index.php", "text/html; charset=utf-8", "index.php"},
		{"notes", "text/plain; charset=utf-8", "notes.txt"},
		{"data.dat", "text/plain", "data.dat"},
		{"export.bin", "application/zip", "export.zip"},
		{"a.apk", "application/zip", "a.apk"},
		{"a", "application/octet-stream", "a"},
		{"", "application/pdf", ""},
		{"get.aspx", "image/jpeg", "get.jpg"},
		{"clip.mkv", "video/x-matroska", "clip.mkv"},
		{"clip", "video/webm", "clip.webm"},
		{"tesis.final", "application/pdf", "tesis.final.pdf"},
		{"Factura Empresa S.L", "application/pdf", "Factura Empresa S.L.pdf"},
		{"Factura Empresa S.L.", "application/pdf", "Factura Empresa S.L.pdf"},
		{"ACME S.A", "application/pdf", "ACME S.A.pdf"},
		{"informe.final", "application/pdf; charset=binary", "informe.final.pdf"},
		{"factura.enero", "application/pdf", "factura.enero.pdf"},
		{"factura.dic", "application/pdf", "factura.dic.pdf"},
		{"Hola Sr.Perez", "application/pdf", "Hola Sr.Perez.pdf"},
		{"pedido www.acme.com", "application/pdf", "pedido www.acme.com.pdf"},
		{"pedido acme.es", "application/pdf", "pedido acme.es.pdf"},
		{"informe.doc", "application/pdf", "informe.doc.pdf"},
		{"foto.jpg", "application/pdf", "foto.jpg.pdf"},
		{"Factura.Pdf", "application/pdf", "Factura.Pdf"},
		{"Plantilla Acme B.V", wordType, "Plantilla Acme B.V.docx"},
		{"informe.final", wordType, "informe.final.docx"},
		{"macros.docm", wordType, "macros.docm"},
		{"book.xlsm", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "book.xlsm"},
		{"deck.PPSX", "application/vnd.openxmlformats-officedocument.presentationml.presentation", "deck.PPSX"},
		{"carta.doc", "application/rtf", "carta.doc"},
		{"carta.dot", "application/msword", "carta.dot"},
		{"comic.cbr", "application/vnd.rar", "comic.cbr"},
		{"Foto Sr.Perez", "image/jpeg", "Foto Sr.Perez.jpg"},
		{"foto.jpeg", "image/jpeg", "foto.jpeg"},
		{"foto.JFIF", "image/jpeg", "foto.JFIF"},
		{"foto.png", "image/jpeg", "foto.png"},
		{"IMG.nef", "image/tiff", "IMG.nef"},
		{"audio.enero", "audio/mpeg", "audio.enero.mp3"},
		{"book.m4b", "audio/mp4", "book.m4b"},
		{"note.opus", "audio/ogg", "note.opus"},
		{"song.mp4", "audio/mp4", "song.mp4"},
		{"clip.m4v", "video/mp4", "clip.m4v"},
		{"carta.docx", "application/zip", "carta.docx"},
		{"proyecto.sb3", "application/zip", "proyecto.sb3"},
		{"Copias Acme S.L", "application/zip", "Copias Acme S.L.zip"},
		{"copia.tgz", "application/gzip", "copia.tgz"},
		{"main.c", "text/plain", "main.c"},
		{"Carta Acme S.L", "text/plain", "Carta Acme S.L.txt"},
		{"track.gpx", "text/xml", "track.gpx"},
	} {
		if got := FileName(test.name, test.kind); got != test.want {
			t.Errorf("%q as %s is %q, want %q", test.name, test.kind, got, test.want)
		}
	}
	long := FileName(strings.Repeat("ñ", 127), "application/pdf")
	if len(long) > 255 || !utf8.ValidString(long) || !strings.HasSuffix(long, "ñ.pdf") {
		t.Errorf("%d bytes: %q", len(long), long)
	}
}

func TestTheNamesOfServersAreRead(t *testing.T) {
	for header, want := range map[string]string{
		`attachment; filename="factura.pdf"`: "factura.pdf", `attachment; filename=factura.pdf`: "factura.pdf",
		`attachment; filename=Factura Enero.pdf`: "Factura Enero.pdf", `attachment;filename=Factura Enero.pdf;size=5`: "Factura Enero.pdf",
		`attachment; filename*=UTF-8''Facturaci%C3%B3n.pdf`: "Facturación.pdf", `attachment; filename="a.pdf"; filename*=UTF-8''%E2%82%AC.pdf`: "€.pdf",
		`attachment; filename*=ISO-8859-1''Facturaci%F3n.pdf`:         "Facturación.pdf",
		`attachment; filename="=?UTF-8?B?RmFjdHVyYWNpw7NuLnBkZg==?="`: "Facturación.pdf",
		`attachment; filename==?UTF-8?Q?Facturaci=C3=B3n_Enero.pdf?=`: "Facturación Enero.pdf",
		`attachment; filename="=?ISO-8859-1?Q?Facturaci=F3n.pdf?="`:   "Facturación.pdf",
		"attachment; filename=\"Facturaci\xf3n.pdf\"":                 "Facturación.pdf",
		"attachment; filename=Facturaci\u00f3n.pdf":                   "Facturación.pdf",
		`attachment; filename="Factura%20Enero.pdf"`:                  "Factura Enero.pdf",
		`attachment; filename="100%.pdf"`:                             "100%.pdf",
		`form-data; name="file"; filename=Factura Enero; size="1;2"`:  "Factura Enero", `form-data; filename=Factura "Enero; 2".pdf; name=file`: `Factura "Enero; 2".pdf`,
		`form-data; filename=tubo 12".pdf; name=file`: `tubo 12".pdf`,
		`inline`: "", ``: "", `attachment; filename=`: "", `attachment; name="x"`: "", `;;;=;`: "",
	} {
		if got := FileNameIn(header); got != want {
			t.Errorf("%s is %q, want %q", header, got, want)
		}
	}
}

func TestThePartOfAFormHasTheNameThatItSays(t *testing.T) {
	for header, want := range map[string]string{
		`form-data; name="file"; filename="factura.pdf"`: "file", `form-data; name=file; filename=factura.pdf`: "file",
		`form-data; name="file"; filename=Factura Enero.pdf`: "file", `form-data; filename=Factura Enero.pdf; name=file`: "file",
		`form-data; name="file"; filename==?UTF-8?Q?Facturaci=C3=B3n_Enero.pdf?=`: "file",
		"form-data; name=file; filename=Facturaci\u00f3n.pdf":                     "file", "Form-Data;NAME=file;FileName=Facturaci\xf3n Enero.pdf": "file",
		`form-data; filename=tubo 12".pdf; name="file"`: "file", `form-data; name="file"; filename="a;name=to;b.pdf"; size=1 2`: "file",
		`form-data; name="a\"b"`: `a"b`, `form-data; name="to"; x=1 2`: "to",
		`form-data; name=to; name=file`: "", `form-data; name=to; filename=a b; name=file`: "", `form-data; name=; filename=a b`: "",
		`attachment; name="file"; filename=a b`: "", `form-data`: "", ``: "", `form-data; filename=a b.pdf`: "",
	} {
		if got := FormNameIn(header); got != want {
			t.Errorf("%s is %q, want %q", header, got, want)
		}
	}
}

func FuzzANameIsAName(f *testing.F) {
	f.Add("attachment; filename*=UTF-8''a.pdf", "application/pdf")
	f.Add("attachment; filename==?UTF-8?Q?a?=", "video/mp4")
	f.Fuzz(func(t *testing.T, header, kind string) {
		_ = FormNameIn(header)
		name := FileNameIn(header)
		if !utf8.ValidString(name) {
			t.Fatalf("%q", name)
		}
		if len(name) <= maxFileName && len(FileName(name, kind)) > maxFileName {
			t.Fatalf("%q", FileName(name, kind))
		}
	})
}
