package admin

import (
	"strings"
	"testing"
)

// TestDetailsThatAKindCannotHaveAreRefusedByName posts what the sandbox once took: two billion stickers ended its process.
func TestDetailsThatAKindCannotHaveAreRefusedByName(t *testing.T) {
	f := newFixture(t)
	f.addPhone(anaNumber, "")
	f.addPhone(brunoNumber, "")
	to := `{"to":"` + anaNumber + `","kind":`
	event := f.sendJSON(brunoNumber, to+`"event","details":{"name":"Dinner","start":1800000000}}`)
	about := `,"target":"` + event + `"`
	business := to + `"business","business":`
	for body, field := range map[string]string{
		to + `"sticker_pack","details":{"stickers":100000}}`:                        "details.stickers",
		to + `"sticker_pack","details":{"stickers":-3}}`:                            "details.stickers",
		to + `"event_answer"` + about + `,"details":{"answer":"perhaps"}}`:          "details.answer",
		to + `"event_answer"` + about + `,"details":{"answer":"maybe","extra":-1}}`: "details.extra",
		to + `"pin"` + about + `,"details":{"seconds":-1}}`:                         "details.seconds",
		to + `"call_log","details":{"outcome":99}}`:                                 "details.outcome",
		to + `"live_location","details":{"latitude":900,"longitude":2}}`:            "details.latitude",
		to + `"live_location","details":{"latitude":9,"longitude":900}}`:            "details.longitude",
		to + `"event","details":{"name":"x","start":2,"end":1}}`:                    "details.end",
		to + `"album","details":{"images":1,"answer":"maybe"}}`:                     "details.answer",

		to + `"video","media":{"data":"AAAA","seconds":-1}}`:       "media",
		to + `"image","media":{"data":"AAAA","width":4294967296}}`: "media",

		business + `{"form":"payment_invite","service":"nonsense"}}`:                                  "business.service",
		business + `{"form":"product"}}`:                                                              "business.items",
		business + `{"form":"product","items":[{},{}]}}`:                                              "business.items",
		business + `{"form":"payment_request","amount":-1}}`:                                          "business.amount",
		business + `{"form":"order","count":-1}}`:                                                     "business.count",
		business + `{"form":"order","count":3000000000}}`:                                             "business.count",
		business + `{"form":"group_invite","expires":-1}}`:                                            "business.expires",
		business + `{"form":"order_details","items":[{},{"quantity":-1}]}}`:                           "business.items[1].quantity",
		business + `{"form":"carousel","cards":[` + strings.Repeat(`{},`, 20_000) + `{}]}}`:           "business.cards",
		business + `{"form":"order_details","items":[` + strings.Repeat(`{},`, 20_000) + `{}]}}`:      "business.items",
		business + `{"form":"list","choices":[` + strings.Repeat(`{"kind":"row"},`, 20_000) + `{}]}}`: "business.choices",
	} {
		if got := f.post("/phones/"+brunoNumber+"/messages", body); got.status != 400 || !strings.Contains(got.body, `"field":"`+field+`"`) {
			t.Errorf("%.120s: %d %s, expected the field %s", body, got.status, got.body, field)
		}
	}
}
