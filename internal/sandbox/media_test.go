package sandbox_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"net/url"
	"testing"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"google.golang.org/protobuf/proto"

	"wasup/internal/sandbox"
	"wasup/internal/sandbox/faults"
	"wasup/internal/sandbox/media"
	"wasup/internal/sandbox/phones"
)

func someBytes(size int) []byte {
	data := make([]byte, size)
	_, _ = rand.Read(data)
	return data
}

func (d *device) upload(data []byte, kind whatsmeow.MediaType) whatsmeow.UploadResponse {
	d.t.Helper()
	response, err := d.cli.Upload(testContext(d.t), data, kind)
	if err != nil {
		d.t.Fatal(err)
	}
	return response
}

func imageOf(up whatsmeow.UploadResponse) *waE2E.ImageMessage {
	return &waE2E.ImageMessage{
		URL: &up.URL, DirectPath: &up.DirectPath, MediaKey: up.MediaKey, FileEncSHA256: up.FileEncSHA256,
		FileSHA256: up.FileSHA256, FileLength: &up.FileLength, Mimetype: proto.String("image/png"),
	}
}

func TestWhatAClientUploadsItCanDownload(t *testing.T) {
	server, own, client, _ := linked(t, phones.ScriptSilent)
	for kind, name := range map[whatsmeow.MediaType]string{
		whatsmeow.MediaImage: "image", whatsmeow.MediaVideo: "video", whatsmeow.MediaAudio: "audio",
		whatsmeow.MediaDocument: "document", whatsmeow.MediaHistory: "md-msg-hist",
	} {
		plain := someBytes(50_000)
		up := client.upload(plain, kind)
		files := server.Media().List()
		file := files[len(files)-1]
		if file.Type != name || file.Account != own.Number() || file.DirectPath != up.DirectPath {
			t.Fatalf("the server has %+v, the client %+v", file, up)
		}
		got, err := client.cli.DownloadMediaWithPath(testContext(t), up.DirectPath, up.FileEncSHA256, up.FileSHA256, up.MediaKey, kind, "", false)
		if err != nil || !bytes.Equal(got, plain) {
			t.Fatalf("%s came back as %d bytes with %v", name, len(got), err)
		}
		if err = client.cli.DeleteMedia(testContext(t), kind, up.DirectPath, up.FileEncSHA256, ""); err != nil {
			t.Fatal(err)
		}
	}
	counters := server.Counters()
	if counters.Uploads != 5 || counters.Downloads != 5 || counters.MediaRefused != 0 {
		t.Errorf("counters %+v", counters)
	}
	noUnknownQueries(t, server)
}

func TestAFileThatIsGoneIsMissedInWhatsAppsOwnWay(t *testing.T) {
	server, _, client, _ := linked(t, phones.ScriptSilent)
	for code, want := range map[int]error{
		403: whatsmeow.ErrMediaDownloadFailedWith403,
		404: whatsmeow.ErrMediaDownloadFailedWith404,
		410: whatsmeow.ErrMediaDownloadFailedWith410,
	} {
		image := imageOf(client.upload(someBytes(1000), whatsmeow.MediaImage))
		files := server.Media().List()
		if err := server.Media().Take(files[len(files)-1].ID, code, false); err != nil {
			t.Fatal(err)
		}
		if _, err := client.cli.Download(testContext(t), image); !errors.Is(err, want) {
			t.Errorf("%d: downloading gave %v", code, err)
		}
	}
	if err := server.Media().Take("nothing", 410, false); !errors.Is(err, media.ErrUnknown) {
		t.Errorf("expiring nothing: %v", err)
	}
	if err := server.Media().Take(server.Media().List()[0].ID, 500, false); !errors.Is(err, media.ErrBadCode) {
		t.Errorf("expiring with 500: %v", err)
	}
}

func TestUploadsAndDownloadsFailOnDemand(t *testing.T) {
	server, _, client, _ := linked(t, phones.ScriptSilent)
	set := func(kind faults.Kind, code int) {
		t.Helper()
		if _, err := server.SetFault(faults.Fault{Kind: kind, Code: code, Count: 1}); err != nil {
			t.Fatal(err)
		}
	}
	set(faults.MediaUpload, 507)
	if _, err := client.cli.Upload(testContext(t), someBytes(10), whatsmeow.MediaImage); err == nil {
		t.Fatal("the upload was taken")
	}
	image := imageOf(client.upload(someBytes(10), whatsmeow.MediaImage))
	set(faults.MediaDownload, 404)
	if _, err := client.cli.Download(testContext(t), image); !errors.Is(err, whatsmeow.ErrMediaDownloadFailedWith404) {
		t.Fatalf("downloading gave %v", err)
	}
	if _, err := client.cli.Download(testContext(t), image); err != nil {
		t.Fatal(err)
	}
}

// plainHTTP requests a server's media routes without a WhatsApp client.
func plainHTTP(t *testing.T, server *sandbox.Server, method, target string, body []byte, header http.Header) (int, []byte) {
	t.Helper()
	request, err := http.NewRequestWithContext(testContext(t), method, "http://"+server.MediaHost()+target, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for name := range header {
		request.Header.Set(name, header.Get(name))
	}
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	response, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	raw, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, raw
}

func TestUploadsAreChecked(t *testing.T) {
	server := newServer(t, sandbox.Config{MaxMediaFile: 1000, MaxMedia: 2500})
	own := newPhone(t, server, phones.ScriptSilent)
	client := newDevice(t, server)
	client.pair(own)
	conn, err := client.cli.DangerousInternals().QueryMediaConn(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	if len(conn.Hosts) != 1 || conn.Hosts[0].Hostname != server.MediaHost() {
		t.Fatalf("media_conn says %+v", conn)
	}
	auth := "?auth=" + url.QueryEscape(conn.Auth)
	token := func(data []byte) string {
		sum := sha256.Sum256(data)
		return base64.URLEncoding.EncodeToString(sum[:])
	}
	good, large := someBytes(900), someBytes(1001)
	for name, test := range map[string]struct {
		target string
		data   []byte
		want   int
	}{
		"no secret":          {"/mms/image/" + token(good), good, 401},
		"a forged secret":    {"/mms/image/" + token(good) + auth + "x", good, 401},
		"an unknown type":    {"/mms/secrets/" + token(good) + auth, good, 400},
		"another hash":       {"/mms/image/" + token(large) + auth, good, 400},
		"no hash":            {"/mms/image/abc" + auth, good, 400},
		"too small":          {"/mms/image/" + token(good[:5]) + auth, good[:5], 400},
		"too large":          {"/mms/image/" + token(large) + auth, large, 413},
		"removing nothing":   {"/mms/image/" + token(large) + auth, nil, 404},
		"a whole upload":     {"/mms/image/" + token(good) + auth, good, 200},
		"a token unpadded":   {"/mms/image/" + token(good)[:43] + auth, good, 200},
		"an unknown file":    {"/v/t62.7118-24/nothing.enc", nil, 404},
		"a path beside them": {"/v/other", nil, 404},
	} {
		method := http.MethodPost
		switch want := test.want; {
		case name == "removing nothing":
			method = http.MethodDelete
		case want == 404:
			method = http.MethodGet
		}
		if code, _ := plainHTTP(t, server, method, test.target, test.data, nil); code != test.want {
			t.Errorf("%s: %d, expected %d", name, code, test.want)
		}
	}
	// 2500 bytes are enough for two files of 900: the third displaces the oldest.
	before := server.Media().List()
	third := someBytes(900)
	plainHTTP(t, server, http.MethodPost, "/mms/video/"+token(third)+auth, third, nil)
	after := server.Media().List()
	if len(before) != 2 || len(after) != 2 || after[0].ID != before[1].ID {
		t.Fatalf("before %+v, after %+v", before, after)
	}
	if code, _ := plainHTTP(t, server, http.MethodGet, before[0].DirectPath, nil, nil); code != 404 {
		t.Errorf("the oldest file answers %d", code)
	}
}

func TestAFileComesInPartsAndOnlyUnderItsHash(t *testing.T) {
	server, _, client, _ := linked(t, phones.ScriptSilent)
	up := client.upload(someBytes(1000), whatsmeow.MediaDocument)
	_, whole := plainHTTP(t, server, http.MethodGet, up.DirectPath, nil, nil)
	code, part := plainHTTP(t, server, http.MethodGet, up.DirectPath, nil, http.Header{"Range": {"bytes=100-199"}})
	if code != http.StatusPartialContent || !bytes.Equal(part, whole[100:200]) {
		t.Fatalf("%d with %d bytes", code, len(part))
	}
	if sum := sha256.Sum256(whole); !bytes.Equal(sum[:], up.FileEncSHA256) || bytes.Contains(whole, up.FileSHA256) {
		t.Fatal("the server does not keep what was uploaded")
	}
	if code, _ = plainHTTP(t, server, http.MethodGet, up.DirectPath+"&hash="+url.QueryEscape(base64.URLEncoding.EncodeToString(up.FileSHA256)), nil, nil); code != 403 {
		t.Fatalf("another hash gave %d", code)
	}
}

func TestWithTLSAnUnledClientReachesTheFiles(t *testing.T) {
	server := newServer(t, sandbox.Config{TLS: true})
	own := newPhone(t, server, phones.ScriptSilent)
	client := newDevice(t, server)
	client.pair(own)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(server.CAPEM())
	// The client only trusts the CA: with TLS the host in media_conn works with https://.
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}
	t.Cleanup(transport.CloseIdleConnections)
	client.cli.SetMediaHTTPClient(&http.Client{Transport: transport})
	plain := someBytes(3000)
	got, err := client.cli.Download(context.Background(), imageOf(client.upload(plain, whatsmeow.MediaImage)))
	if err != nil || !bytes.Equal(got, plain) {
		t.Fatalf("%d bytes with %v", len(got), err)
	}
}
