package rest

import (
	"testing"

	"pgregory.net/rapid"

	"wasup/internal/session"
)

func TestAPageNeitherRepeatsNorSkipsWhileSessionsComeAndGo(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ids := rapid.SliceOfNDistinct(rapid.IntRange(10, 99), 1, 30, rapid.ID).Draw(t, "ids")
		there := make(map[int]bool)
		for _, id := range ids {
			there[id] = true
		}
		after, lasting := session.ID(""), make(map[int]bool)
		for id := range there {
			lasting[id] = true
		}
		seen := make(map[int]bool)
		for {
			var items []session.ID
			for id := 10; id < 100; id++ {
				if there[id] {
					items = append(items, session.NumericID(int64(id)))
				}
			}
			page, next := PageOf(items, after, rapid.IntRange(1, 10).Draw(t, "limit"), func(id session.ID) session.ID { return id })
			for _, id := range page {
				n, _ := id.Numeric()
				if seen[int(n)] {
					t.Fatalf("%d twice", n)
				}
				seen[int(n)] = true
			}
			if next == "" {
				break
			}
			after = page[len(page)-1]
			id := rapid.IntRange(10, 99).Draw(t, "comes or goes")
			there[id] = !there[id]
			delete(lasting, id)
		}
		for id := range lasting {
			if !seen[id] {
				t.Fatalf("%d was there all the time and is on no page", id)
			}
		}
	})
}
