package events_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"wasup/internal/events"
	"wasup/internal/message"
)

func TestWhateverAnEventContainsItsDataIsBounded(t *testing.T) {
	boundedWhatever[events.MessageData](t, events.TypeMessage)
	boundedWhatever[events.ReceiptData](t, events.TypeReceipt)
	boundedWhatever[events.CallData](t, events.TypeCall)
	boundedWhatever[events.GroupData](t, events.TypeGroup)
	boundedWhatever[events.TimerData](t, events.TypeTimer)
	boundedWhatever[events.StatusData](t, events.TypeStatus)
}

func boundedWhatever[T any](t *testing.T, of events.Type) {
	t.Run(string(of), func(t *testing.T) {
		rapid.Check(t, func(rt *rapid.T) {
			var data T
			fill(rt, reflect.ValueOf(&data).Elem())
			encoded, err := events.Encode(data)
			if err != nil || len(encoded) > events.MaxData || !utf8.Valid(encoded) {
				rt.Fatalf("%d bytes, %v", len(encoded), err)
			}
			var clipped T
			if err := json.Unmarshal(encoded, &clipped); err != nil {
				rt.Fatal(err)
			}
			again, err := events.Encode(clipped)
			if err != nil {
				rt.Fatal(err)
			}
			var twice T
			if err := json.Unmarshal(again, &twice); err != nil || !reflect.DeepEqual(twice, clipped) {
				rt.Fatalf("clipped data is clipped again, %v", err)
			}
		})
	})
}

func TestAnEventSaysThatItIsTruncated(t *testing.T) {
	text := message.TextOf(strings.Repeat("é", 65_537))
	many := make([]string, 1025)
	for name, test := range map[string]struct {
		given any
		want  bool
	}{
		"a text":               {events.MessageData{Content: &text}, true},
		"a push name":          {events.MessageData{PushName: strings.Repeat("é", 256)}, true},
		"known before":         {events.MessageData{Truncated: true}, true},
		"a small message":      {events.MessageData{PushName: strings.Repeat("é", 255), Content: &message.Content{}}, false},
		"a receipt":            {events.ReceiptData{IDs: many}, true},
		"a small receipt":      {events.ReceiptData{IDs: many[:1024]}, false},
		"a call":               {events.CallData{Reason: strings.Repeat("é", 256)}, true},
		"a small call":         {events.CallData{ID: strings.Repeat("é", 255)}, false},
		"a group":              {events.GroupData{Members: make([]message.Address, 1025)}, true},
		"a description":        {events.GroupData{Value: strings.Repeat("é", 4097)}, true},
		"a small change":       {events.GroupData{Value: strings.Repeat("é", 4096)}, false},
		"a timer":              {events.TimerData{ID: strings.Repeat("é", 256)}, true},
		"a small timer":        {events.TimerData{ID: strings.Repeat("é", 255)}, false},
		"a state of a message": {events.StatusData{Error: strings.Repeat("é", 2000)}, false},
	} {
		encoded, err := events.Encode(test.given)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.HasSuffix(string(encoded), `,"truncated":true}`); got != test.want {
			t.Errorf("%s: truncated %t in %.200s", name, got, encoded)
		}
	}
}

func TestAStoredEventThatIsTooLargeIsShortened(t *testing.T) {
	text := message.TextOf(strings.Repeat("a", 3<<20))
	large, err := json.Marshal(events.MessageData{ID: "3EB0", Content: &text})
	if err != nil {
		t.Fatal(err)
	}
	var short events.MessageData
	if err := json.Unmarshal(events.Shorten(events.TypeMessage, large), &short); err != nil {
		t.Fatal(err)
	}
	if short.ID != "3EB0" || len(short.Content.Text) != 65_536 || !short.Truncated {
		t.Errorf("id %q, a text of %d, truncated %t", short.ID, len(short.Content.Text), short.Truncated)
	}
	for _, same := range []string{`{}`, `{"text":"` + strings.Repeat("a", 1<<20) + `"}`} {
		if got := events.Shorten(events.TypeMessage, json.RawMessage(same)); string(got) != same {
			t.Errorf("%.20s became %.20s", same, got)
		}
	}
	if got := events.Shorten(events.TypeState, json.RawMessage(fmt.Sprintf("[%q]", strings.Repeat("a", 3<<20)))); string(got) != `{"truncated":true}` {
		t.Errorf("an unreadable one became %.80s", got)
	}
}

// fill gives every field of a struct a value of a random size, often above any limit.
func fill(rt *rapid.T, v reflect.Value) {
	size := func(most int) int { return rapid.SampledFrom([]int{0, 1, 256, most}).Draw(rt, "size") }
	switch v.Kind() {
	case reflect.String:
		letter := rapid.SampledFrom([]string{"a", "é", "€", "⚽", "\x01", "<", `"`, "\xff", "\u2028"}).Draw(rt, "letter")
		v.SetString(strings.Repeat(letter, size(70_000)))
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			v.SetBytes(make([]byte, size(70_000)))
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), size(1100), 1100))
		if v.Len() > 0 {
			fill(rt, v.Index(0))
			for i := range v.Len() { // the items are alike, so that a check takes no second
				v.Index(i).Set(v.Index(0))
			}
		}
	case reflect.Pointer:
		if rapid.Bool().Draw(rt, "given") {
			v.Set(reflect.New(v.Type().Elem()))
			fill(rt, v.Elem())
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				fill(rt, v.Field(i))
			}
		}
	default:
	}
}

// largest sets every field to the largest value that is not clipped, with characters that are the longest in JSON.
func largest(v reflect.Value, tag string) {
	limit := func(usual int) int {
		number, _, _ := strings.Cut(tag, ",")
		if most, err := strconv.Atoi(number); err == nil {
			return most
		}
		return usual
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(strings.Repeat("\x01", limit(255)))
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			v.SetBytes(make([]byte, limit(64<<10)))
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), min(100, limit(1024)), min(100, limit(1024))))
		for i := range v.Len() {
			largest(v.Index(i), "")
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		largest(v.Elem(), tag)
	case reflect.Struct:
		for i := range v.NumField() {
			if field := v.Type().Field(i); field.IsExported() && field.Tag.Get("json") != "-" {
				largest(v.Field(i), field.Tag.Get("clip"))
			}
		}
	default:
	}
}

// TestTheLargestOfferIsBounded: of all that is received, an offer of a business has the most fields.
func TestTheLargestOfferIsBounded(t *testing.T) {
	var data events.MessageData
	largest(reflect.ValueOf(&data).Elem(), "")
	all := data.Content
	data.Content = &message.Content{
		Kind: all.Kind, Text: all.Text, Mentions: all.Mentions, Quote: all.Quote, Media: all.Media, Location: all.Location,
		Business: message.Business{Interactive: all.Interactive, Order: all.Order, Product: all.Product, Referral: all.Referral},
	}
	encoded, err := events.Encode(data)
	if err != nil || len(encoded) > events.MaxData {
		t.Errorf("%d bytes, %v", len(encoded), err)
	}
}
