package httpapi

import (
	"testing"
	"time"
)

func TestConfigNamesWhatIsWrong(t *testing.T) {
	_, err := New(Config{QRWait: -1, BodyLimit: -2}, Deps{})
	want := "httpapi: Config.QRWait is -1ns: expected a positive duration\n" +
		"httpapi: Config.BodyLimit is -2: expected 0 or more\n" +
		"httpapi: Deps.Sessions is missing\nhttpapi: Deps.Slots is missing\nhttpapi: Deps.Supervision is missing\nhttpapi: Deps.Links is missing\nhttpapi: Deps.Live is missing\nhttpapi: Deps.Received is missing\n" +
		"httpapi: Deps.Sender is missing\nhttpapi: Deps.Messages is missing\nhttpapi: Deps.Files is missing\nhttpapi: Deps.Door is missing\nhttpapi: Deps.Contacts is missing\nhttpapi: Deps.Webhooks is missing\nhttpapi: Deps.Deliveries is missing\nhttpapi: Deps.Pictures is missing\nhttpapi: Deps.Health is missing\n" +
		"httpapi: Deps.Observer is missing\nhttpapi: Deps.Metrics is missing\nhttpapi: Deps.Version is missing\nhttpapi: Deps.Log is missing"
	if err == nil || err.Error() != want {
		t.Errorf("error\n%v\nexpected\n%s", err, want)
	}
}

func TestTheHubIsAnsweredBeforeItGivesUp(t *testing.T) {
	for _, c := range []struct{ qr, hub, want time.Duration }{
		{0, 0, 25 * time.Second},
		{10 * time.Second, 0, 10 * time.Second},
		{time.Hour, 0, 25 * time.Second},
		{0, 40 * time.Second, 40 * time.Second},
	} {
		cfg, err := Config{QRWait: c.qr, HubWait: c.hub}.withDefaults()
		if err != nil || cfg.HubWait != c.want || cfg.MaxWait < max(cfg.QRWait, cfg.HubWait) {
			t.Errorf("QRWait %s, HubWait %s: %+v, %v", c.qr, c.hub, cfg, err)
		}
	}
}
