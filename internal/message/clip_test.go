package message_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"wasup/internal/message"
)

func TestContentWithinTheLimitsStaysAsItIs(t *testing.T) {
	given := message.Content{
		Kind: message.KindImage, Text: strings.Repeat("ñ", 65_536), Mentions: make([]message.Address, 1024), Quote: &message.Ref{ID: "3EB0", Text: "?"},
		Media:   &message.Media{Name: strings.Repeat("n", 255), Thumbnail: make([]byte, 64<<10), Remote: &message.Remote{DirectPath: strings.Repeat("p", 5000)}},
		Options: []string{}, Contacts: nil,
	}
	for i := range given.Mentions {
		given.Mentions[i].PN = fmt.Sprintf("%d@s.whatsapp.net", 34_600_000_000+i)
	}
	if clipped, cut := message.Clip(given); cut || !reflect.DeepEqual(clipped, given) {
		t.Errorf("cut %t: %+v", cut, clipped)
	}
}

func TestContentBeyondTheLimitsIsClipped(t *testing.T) {
	long := func(n int) string { return strings.Repeat("é", n) }
	list := func(n int) []string { return strings.Split(strings.Repeat("o,", n)+"o", ",") }
	for name, test := range map[string]struct {
		given message.Content
		got   func(message.Content) any
		want  any
	}{
		"a text":            {message.TextOf(long(65_537)), func(c message.Content) any { return c.Text }, long(65_536)},
		"a quote":           {message.Content{Quote: &message.Ref{Text: long(70_000)}}, func(c message.Content) any { return c.Quote.Text }, long(65_536)},
		"a file name":       {message.Content{Media: &message.Media{Name: long(256)}}, func(c message.Content) any { return c.Media.Name }, long(255)},
		"a media type":      {message.Content{Media: &message.Media{Mime: long(256)}}, func(c message.Content) any { return c.Media.Mime }, long(255)},
		"a name of a kind":  {message.Content{Unknown: long(256)}, func(c message.Content) any { return c.Unknown }, long(255)},
		"a place":           {message.Content{Location: &message.Location{Name: long(1025)}}, func(c message.Content) any { return c.Location.Name }, long(1024)},
		"a thumbnail":       {message.Content{Media: &message.Media{Thumbnail: make([]byte, 64<<10+1)}}, func(c message.Content) any { return c.Media.Thumbnail }, []byte(nil)},
		"a preview":         {message.Content{Preview: &message.Preview{Thumbnail: make([]byte, 6<<20)}}, func(c message.Content) any { return c.Preview.Thumbnail }, []byte(nil)},
		"a waveform":        {message.Content{Media: &message.Media{Waveform: make([]byte, 1025)}}, func(c message.Content) any { return c.Media.Waveform }, []byte(nil)},
		"answers":           {message.Content{Poll: &message.Poll{Options: list(100)}}, func(c message.Content) any { return len(c.Poll.Options) }, 100},
		"a vote":            {message.Content{Options: list(100)}, func(c message.Content) any { return len(c.Options) }, 100},
		"mentions":          {message.Content{Mentions: make([]message.Address, 1025)}, func(c message.Content) any { return len(c.Mentions) }, 1024},
		"cards":             {message.Content{Contacts: make([]message.Card, 1025)}, func(c message.Content) any { return len(c.Contacts) }, 1024},
		"a card":            {message.Content{Contacts: []message.Card{{Name: "n", VCard: long(65_537)}}}, func(c message.Content) any { return c.Contacts[0] }, message.Card{Name: "n"}},
		"cards with photos": {message.Content{Contacts: photos(20)}, func(c message.Content) any { return len(c.Contacts) }, 8},
		"an address":        {message.Content{Target: &message.Ref{Sender: message.Address{LID: long(129)}}}, func(c message.Content) any { return c.Target.Sender }, message.Address{}},
	} {
		before, _ := json.Marshal(test.given)
		clipped, cut := message.Clip(test.given)
		if got := test.got(clipped); !cut || !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s: cut %t, got %.80v", name, cut, got)
		}
		if after, _ := json.Marshal(test.given); string(after) != string(before) {
			t.Errorf("%s: the given content was changed", name)
		}
	}
}

// TestTheCardsOfAnOfferAreChargedOnce: what is in a list within a list counts once, and lists within an item take what the
// rest of the item leaves.
func TestTheCardsOfAnOfferAreChargedOnce(t *testing.T) {
	offer := func(cards, choices, text, thumbnail int) (kept []message.CarouselCard, size int) {
		out := &message.Interactive{Cards: make([]message.CarouselCard, cards)}
		for i := range out.Cards {
			out.Cards[i].Media = &message.Media{Thumbnail: make([]byte, thumbnail)}
			out.Cards[i].Choices = make([]message.Choice, choices)
			for j := range out.Cards[i].Choices {
				out.Cards[i].Choices[j].Params = strings.Repeat("<", text)
			}
		}
		given := message.Content{}
		given.Interactive = out
		clipped, cut := message.Clip(given)
		whole, err := json.Marshal(clipped)
		if err != nil || !cut {
			t.Errorf("cut %t, %v", cut, err)
		}
		return clipped.Interactive.Cards, len(whole)
	}
	for name, c := range map[string]struct{ cards, choices, text, thumbnail, least int }{
		"pictures":              {20, 1, 10, 60_000, 6},
		"choices":               {20, 20, 600, 0, 7},
		"one card beyond limit": {2, 100, 1000, 60_000, 1},
	} {
		if kept, size := offer(c.cards, c.choices, c.text, c.thumbnail); len(kept) < c.least || len(kept[0].Choices) == 0 || size > 520<<10 {
			t.Errorf("%s: %d cards of %d bytes are kept", name, len(kept), size)
		}
	}
}

// photos returns cards of 60,000 bytes.
func photos(n int) []message.Card {
	cards := make([]message.Card, n)
	for i := range cards {
		cards[i].VCard = strings.Repeat("v", 60_000)
	}
	return cards
}
