package admin

import (
	"strings"
	"testing"

	"go.mau.fi/whatsmeow"
)

func TestUploadedFilesAreListedAndTakenAway(t *testing.T) {
	f := newFixture(t)
	f.addPhone("4915112345678", "")
	f.get("/media").is(t, 200, `{"media":[]}`)
	c := f.link("4915112345678")
	up, err := c.cli.Upload(t.Context(), []byte("a picture"), whatsmeow.MediaImage)
	must(t, err)
	listed := f.get("/media")
	id := f.server.Media().List()[0].ID
	for _, part := range []string{`"id":"` + id + `"`, `"type":"image","account":"4915112345678","size":26,"direct_path":"` + up.DirectPath + `"`, `"downloads":0}`} {
		if listed.status != 200 || !strings.Contains(listed.body, part) {
			t.Fatalf("%s is missing in %s", part, listed.body)
		}
	}
	f.send("DELETE", "/media/"+id+"?code=500", "", "").is(t, 400, `{"error":{"code":"invalid","message":"expected 403, 404 or 410","field":"code"}}`)
	f.send("DELETE", "/media/"+id+"?code=x", "", "").is(t, 400, `{"error":{"code":"invalid","message":"expected 403, 404 or 410","field":"code"}}`)
	f.send("DELETE", "/media/"+id, "", "").is(t, 204, "")
	f.send("DELETE", "/media/0", "", "").is(t, 404, `{"error":{"code":"media_not_found","message":"there is no such file","field":"id"}}`)
	if listed = f.get("/media"); !strings.Contains(listed.body, `"gone":410`) {
		t.Fatalf("after it was taken away: %s", listed.body)
	}
}
