package phones

import (
	"testing"
	"time"

	"wasup/internal/sandbox/accounts"
)

func TestPhonesIgnoreEditsOfWhatIsGoneOldOrSomebodyElses(t *testing.T) {
	ana, bruno := &accounts.Account{}, &accounts.Account{}
	sent := time.Unix(1_700_000_000, 0)
	for name, c := range map[string]struct {
		message Message
		edit    Message
		taken   bool
	}{
		"in time":          {Message{}, Message{author: ana, form: KindText, Time: sent}, true},
		"deleted":          {Message{Changes: Changes{Revoked: true}}, Message{author: ana, form: KindText, Time: sent}, false},
		"too late":         {Message{}, Message{author: ana, form: KindText, Time: sent.Add(editWindow + time.Second)}, false},
		"of somebody else": {Message{}, Message{author: bruno, form: KindText, Time: sent}, false},
		"in another form":  {Message{}, Message{author: ana, form: KindImage, Time: sent}, false},
	} {
		c.message.author, c.message.Kind, c.message.Time, c.edit.Kind = ana, KindText, sent, KindEdit
		if got := c.message.mayChange(&c.edit); got != c.taken {
			t.Errorf("%s: %t", name, got)
		}
	}
}
